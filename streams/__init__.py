"""Stream processing, archive and face of the workspace status tracking system."""
