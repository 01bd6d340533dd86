"""The dashboard: hand-written modules and one style sheet, served as they are. See `streams.api.routes_dashboard`."""
