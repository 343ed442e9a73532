"""Where steps go: MQTT, the console."""
