"""Account: the app where a person edits who they are and how apps look."""
