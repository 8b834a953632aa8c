"""Metrics: every name there is, what it says, and the closed lists its labels come from.

Names and units follow the conventions of Prometheus. No label holds anything of a user, a session or a caller: values
come from the lists here or are names out of the configuration (apps, providers, keys). ``README.md`` beside this file
shows them all, and a test holds it against this list. How they are read is ``metrics_export``'s business.

To add one: a constant here, one call where it happens, a row in the table, a panel of ``deploy/grafana/hub.json``, and
in ``tests/deploy/moving.py`` what makes it move; a test misses each of them.
"""

from __future__ import annotations

from hub.telemetry.metrics_kinds import Counter, Gauge, Histogram, Metric

FAST = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TABS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
GONE = "gone"  # the caller left before there was an answer
# fmt: off
REFUSALS = (
    "unknown_section", "forbidden", "session_not_found", "session_ended", "position_mismatch", "patch_conflict",
    "contention", "too_large", "schema_violation", "idempotency_mismatch", "malformed", "rate_limited", "read_only",
    "maintenance", "unconfirmed", "overloaded", "internal",
)
# fmt: on


def status_class(status: int) -> str:
    """``204`` → ``"2xx"``."""
    return STATUSES[status // 100 - 1] if 100 <= status < 600 else "other"


# commits

COMMITS = Counter(
    "hub_commits_total",
    "Commits, by what became of them: `committed`, `unchanged`, `replayed` (a key came again), or a refusal.",
    outcome=("committed", "unchanged", "replayed", *REFUSALS),
)
COMMIT_CONFLICTS = Counter("hub_commit_conflicts_total", "Races lost against another node; the patch is applied again.")

# sessions

SESSIONS_OPENED = Counter("hub_sessions_opened_total", "Sessions opened.")
SESSIONS_ENDED = Counter(
    "hub_sessions_ended_total",
    "Sessions ended, by reason; counted by the node that wrote the last entry of the history.",
    reason=("revoked", "logged_out", "expired", "idle", "replaced"),
)

# live connections

CONNECTIONS = Gauge("hub_live_connections", "Live connections open now.", "sum")
CONNECTIONS_USED = Gauge(
    "hub_live_connections_used_ratio",
    "Share of `limits.connections` in use, of the fullest worker; 0: no limit.",
    "max",
)
SESSIONS_FOLLOWED = Gauge("hub_sessions_followed", "Sessions that somebody here is connected to.", "sum")
CONNECTIONS_CLOSED = Counter(
    "hub_live_connections_closed_total",
    "Live connections closed, by the code the hub closed them with; `gone`: the tab went by itself.",
    code=("4001", "4002", "4003", "4500", "4501", "4502", "4503", "4504", GONE),
)
CHANGE_CONNECTIONS = Histogram(
    "hub_change_connections", "Fan-out: to how many connections here each change was handed.", TABS
)
DELIVERIES = Counter(
    "hub_deliveries_total", "Frames written to live connections, by kind of connection.", wire=("websocket", "events")
)
PUSH_SECONDS = Histogram(
    "hub_commit_to_push_seconds",
    "From a commit being written, on whatever node, to its hand-over to the tabs here; by the store's clock, ± 2 ms.",
    FAST,
)
CLOSE_SECONDS = Histogram(
    "hub_end_to_close_seconds",
    "From the end of a session to the close of each connection it had then; by the store's clock, ± 2 ms.",
    SLOW,
)
OUTBOX_COLLAPSES = Counter(
    "hub_outbox_collapses_total", "Outboxes emptied because their tabs did not read fast enough; a snapshot follows."
)
RELOADS = Counter(
    "hub_reloads_total",
    "Copies that had to be read again: `feed_lost`, `missed` (found by a position check), `gap` (a change does not "
    "fit, or a fork), `unreadable` (a message that does not open), `overflow` (after an outbox collapsed).",
    reason=("feed_lost", "missed", "gap", "unreadable", "overflow"),
)
SNAPSHOTS = Counter(
    "hub_snapshots_total",
    "Whole documents sent to live connections, by the reason that the tab is told.",
    reason=("new", "compacted", "fork", "ahead", "view", "reload"),
)
RESUMES = Counter("hub_resumes_total", "Copies that caught up with the changes they had missed, without a snapshot.")

# live connections: reads that wait or are shed belong here

# the store

MODE = Gauge(
    "hub_mode",
    "1 for the mode a node is in; of several workers, how many.",
    "sum",
    mode=("live", "read_only", "maintenance"),
)
DRAINING = Gauge("hub_draining", "Nodes that are stopping.", "sum")
STORE_SECONDS = Histogram(
    "hub_store_call_seconds",
    "From a call to the store being asked to its answer, by batch; `_count` counts the calls that were answered.",
    FAST,
)
STORE_FAILURES = Counter(
    "hub_store_failures_total",
    "Calls without a use: `refused` (the store is known to be away), `unsent`, `unanswered` (what became of it is not "
    "known), `read_only`, `transient`.",
    kind=("refused", "unsent", "unanswered", "read_only", "transient"),
)
FEED_UP = Gauge("hub_feed_up", "1 while the feed delivers; of several workers, the worst.", "min")
FEED_SILENCE = Gauge(
    "hub_feed_silence_seconds", "Since the feed brought its own probe back last; the worst worker.", "max"
)
PROBE_SECONDS = Histogram("hub_feed_probe_seconds", "How long the feed's probes took to come back.", FAST)
FEED_LOSSES = Counter("hub_feed_losses_total", "Losses of the feed; every connection here reads again after one.")

# keys

KEYS = Gauge(
    "hub_keys",
    "Keys in the ring, by use; more than one `master` means that a rotation is under way.",
    "max",
    use=("master", "token", "chain", "index", "cookie", "context"),
)
MASTER_ACTIVE = Gauge("hub_master_key_active", "1 for the master key that seals new sessions, by name.", "max", kid=())
DATA_KEYS = Counter(
    "hub_data_keys_opened_total",
    "Sealed data keys of sessions opened, by the master key that was needed: `older` ones are still to be resealed.",
    master=("active", "older", "missing"),
)

# identity

SECURITY_EVENTS = Counter("hub_security_events_total", "Security events, by name.", event=())
PROVIDER_FETCHES = Counter(
    "hub_provider_fetches_total",
    "What an identity provider publishes, fetched: `down`: no answer; `useless`: one that cannot be used.",
    provider=(),
    what=("metadata", "keys"),
    outcome=("ok", "down", "useless"),
)
UNKNOWN_KEYS = Counter(
    "hub_provider_unknown_keys_total", "Tokens that named a key which their provider does not publish.", provider=()
)

# HTTP, and the gateway

ANSWERS = Counter(
    "hub_http_answers_total",
    "Answers to HTTP requests and refused upgrades, by who made them and class of status.",
    made_by=("hub", "app"),
    status=STATUSES,
)
INTERNAL_ERRORS = Counter("hub_internal_errors_total", "Requests and connections that met a bug of the hub.")
PROXY_REQUESTS = Counter(
    "hub_proxy_requests_total",
    "Requests for apps through the gateway, by class of the status answered (1xx: a WebSocket was taken).",
    app=(),
    status=(*STATUSES, GONE),
)
PROXY_FAILURES = Counter(
    "hub_proxy_failures_total",
    "Requests for apps that the gateway itself had to fail, by problem.",
    app=(),
    code=("upstream_failed", "upstream_timeout", "upstream_unavailable", "overloaded", "maintenance", "read_only"),
)
PROXY_SECONDS = Histogram(
    "hub_proxy_answer_seconds", "From a request for an app to the beginning of its answer.", SLOW, app=()
)
BREAKER_OPEN = Gauge("hub_proxy_breaker_open", "1 while an app's server is left alone for a while.", "max", app=())
VERIFIED = Counter(
    "hub_verify_answers_total", "Answers at `/auth/verify`, by app and class of status.", app=(), status=STATUSES
)

# processes

BUILD = Gauge("hub_build_info", "1, with the version of the hub.", "max", version=())
WORKERS = Gauge("hub_workers", "Processes that serve.", "sum")
RESTARTS = Counter("hub_worker_restarts_total", "Workers that stopped by themselves and were started again.")

ALL: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
"""All of them, in the order of this file."""

OF_A_PARENT: tuple[Metric, ...] = (RESTARTS,)
"""What the parent of several workers counts; the others are theirs."""
