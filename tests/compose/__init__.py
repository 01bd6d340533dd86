"""Running it in containers: the Compose file, the image, the proxy before the engine's socket."""
