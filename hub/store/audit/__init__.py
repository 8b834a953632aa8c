"""The audit trail from outside: histories read whole, beside running nodes. Nothing in this folder writes."""
