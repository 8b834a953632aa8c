"""What a running demo says about itself."""

from rich.markup import escape
from rich.panel import Panel

from hub.cli.output import console, print_json

PEOPLE = "Ada (also an operator), Grace and Linus"


def curl_lines(url: str, key: str) -> list[str]:
    """Two lines for a shell: find a session as the billing service, then give it a credit."""
    auth = f"-H 'Authorization: Bearer {key}'"
    first = f"""SID=$(curl -s {auth} {url}/v1/sessions | grep -o '"sid": *"[^"]*"' | head -1 | cut -d'"' -f4)"""
    credit = '{"cart": {"credits": {"welcome": {"label": "Welcome", "amount_cents": 500}}}}'
    second = (
        f"curl -X PATCH {auth} -H 'Content-Type: application/merge-patch+json' "
        f"-d '{credit}' {url}/v1/sessions/$SID/document"
    )
    return [first, second]


def show(url: str, billing_key: str, as_json: bool) -> None:
    """Print where to go and what to try; as JSON for programs."""
    lines = curl_lines(url, billing_key)
    if as_json:
        about = {"url": url, "billing_key": billing_key, "curl": "; ".join(lines)}
        print_json(about, lines=True)
        return
    out = console()
    text = (
        f"[bold]Open[/]   [link={url}]{escape(url)}[/link]\n\n"
        f"[dim]Sign in as {PEOPLE}; no password is asked.\nCtrl-C stops everything; nothing is kept.[/]"
    )
    out.print(Panel(text, title="The hub is running", title_align="left", expand=False, padding=(1, 3)))
    out.print("[dim]Once signed in, commit as the billing service from another terminal and watch every tab:[/]")
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    out.file.flush()
