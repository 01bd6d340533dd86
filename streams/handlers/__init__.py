"""Handlers: what happens is told to logs, webhooks, notification services and plug-ins; none of them delays a fold or another."""
