"""A program for the Python of a real Home Assistant: its schemas, or the whole of it with MQTT and one automation.

``schemas``: reads a list of discovery documents, prints for each a list of
complaints. ``live PORT FILE``: connects to the broker on this machine, loads
the automation in FILE, and prints each new state of an entity and each call of
a fan as one line of JSON; obeys lines like ``[["button", "press", {"entity_id":
"button.hrbridge_alex_skip"}]]``, and answers each, also ``[]``, when nothing is
left to do. Nothing of hrbridge is imported.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import voluptuous
import yaml
from homeassistant import config_entries, loader
from homeassistant.components.mqtt import discovery, schemas
from homeassistant.core import Event, HomeAssistant, ServiceCall, callback
from homeassistant.helpers import (
    area_registry,
    category_registry,
    device_registry,
    entity,
    entity_registry,
    floor_registry,
    frame,
    issue_registry,
    label_registry,
    restore_state,
    template,
    translation,
)
from homeassistant.setup import async_setup_component

REGISTRIES = (
    area_registry,
    category_registry,
    device_registry,
    entity_registry,
    floor_registry,
    issue_registry,
    label_registry,
)


def tell(**words: Any) -> None:
    print(json.dumps(words, default=str), flush=True)


async def schemas_of(folder: str) -> None:
    frame.async_setup(HomeAssistant(folder))
    print(json.dumps([list(complaints(document)) for document in json.load(sys.stdin)]))


def complaints(document: dict[str, Any]) -> Any:
    """What Home Assistant would log of a document, each component with what it shares with the others."""
    payload = discovery.MQTTDiscoveryPayload(document)
    discovery._replace_all_abbreviations(payload)
    try:
        schemas.DEVICE_DISCOVERY_SCHEMA(payload)
    except voluptuous.Invalid as error:
        yield str(error)
        return
    for key, component in payload["components"].items():
        platform = importlib.import_module(f"homeassistant.components.mqtt.{component.pop('platform')}")
        options = {**component, "device": payload["device"], "origin": payload["origin"]}
        discovery._merge_common_device_options(options, payload)
        try:
            platform.DISCOVERY_SCHEMA(options)
        except voluptuous.Invalid as error:
            yield f"{key}: {error}"


async def live(folder: str, port: int, automation: dict[str, Any]) -> None:
    (Path(folder) / "configuration.yaml").touch()
    hass = HomeAssistant(folder)
    hass.config.skip_pip = True
    # What MQTT wants besides is for uploaded certificates.
    hass.config.components |= {"http", "file_upload", "blueprint"}
    for part in (frame, loader, translation, entity, template):
        part.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    for registry in REGISTRIES:
        await registry.async_load(hass)
    await restore_state.async_load(hass)
    await hass.config_entries.async_initialize()
    await async_setup_component(hass, "homeassistant", {})

    @callback
    def changed(event: Event[Any]) -> None:
        state = event.data["new_state"]
        tell(
            entity_id=event.data["entity_id"],
            state=None if state is None else state.state,
            attributes={} if state is None else dict(state.attributes),
        )

    @callback
    def called(call: ServiceCall) -> None:
        tell(fan=call.service)

    hass.bus.async_listen("state_changed", changed)
    hass.services.async_register("fan", "turn_on", called)
    hass.services.async_register("fan", "turn_off", called)
    await async_setup_component(hass, "automation", {"automation": [automation]})
    await hass.async_start()
    broker = config_entries.ConfigEntry(
        domain="mqtt",
        title="broker",
        version=1,
        minor_version=2,
        data={"broker": "127.0.0.1", "port": port},
        options={},
        source="user",
        unique_id=None,
        discovery_keys={},
        subentries_data=(),
    )
    await hass.config_entries.async_add(broker)
    while line := await asyncio.to_thread(sys.stdin.readline):
        for domain, service, data in json.loads(line):
            await hass.services.async_call(domain, service, data, blocking=True)
        await hass.async_block_till_done()
        tell(done=line)
    await hass.async_stop()


with tempfile.TemporaryDirectory() as home:
    match sys.argv[1:]:
        case ["schemas"]:
            asyncio.run(schemas_of(home))
        case ["live", port, file]:
            asyncio.run(live(home, int(port), yaml.safe_load(Path(file).read_text(encoding="utf-8"))))
