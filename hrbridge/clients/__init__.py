"""Programs that know only MQTT and its messages, as a stranger could write them."""
