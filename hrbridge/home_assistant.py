"""What Home Assistant is told of a runner: the document from which it makes a device with sensors and buttons.

Facts about Home Assistant from its MQTT integration, 2025.4. There is no
device class for heart rate, ``event`` entities want ``event_type`` and look at
nothing retained, a value that renders to None is unknown. By default it
connects with MQTT 3.1.1 and so sees no expiry: ``expire_after`` says it again.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hrbridge import __version__, messages
from hrbridge.decisions import CueKind, Phase, Trust
from hrbridge.events import Action
from hrbridge.messages import ControlSet, Discovery

# The commands that make sense as a button of a wall or a telephone, with their icons.
BUTTONS = {
    Action.START: "mdi:flag-checkered",
    Action.PAUSE: "mdi:pause",
    Action.RESUME: "mdi:play",
    Action.SKIP: "mdi:skip-next",
    Action.EXTEND: "mdi:timer-plus-outline",
    Action.WALK: "mdi:walk",
    Action.RUN: "mdi:run",
    Action.STOP: "mdi:stop",
}

Component = dict[str, Any]


def discovery(base_topic: str, runner_id: str) -> Discovery:
    """The device of one runner; the same from one start to the next, as long as hrbridge is."""
    state_topic, cue_topic, summary_topic, rpe_topic, control_topic, status_topic = (
        topic.under(base_topic, runner_id)
        for topic in (
            messages.STATE,
            messages.CUE,
            messages.SUMMARY,
            messages.RPE_SET,
            messages.CONTROL_SET,
            messages.STATUS,
        )
    )

    def of_state(name: str, field: str, **options: Any) -> Component:
        """A sensor that shows one field of ``state``, as long as a state is worth anything."""
        return {
            "platform": "sensor",
            "name": name,
            "state_topic": state_topic,
            "value_template": f"{{{{ value_json.{field} }}}}",
            "expire_after": messages.STATE.expiry_s,
            **options,
        }

    components: list[Component] = [
        of_state(
            "Heart rate",
            "heart_rate_bpm",
            unit_of_measurement="bpm",
            state_class="measurement",
            suggested_display_precision=0,
            icon="mdi:heart-pulse",
        ),
        of_state("Phase", "phase", device_class="enum", options=[*Phase], icon="mdi:run"),
        of_state(
            "Phase remaining",
            "phase_remaining_s",
            device_class="duration",
            unit_of_measurement="s",
            suggested_display_precision=0,
            icon="mdi:timer-sand",
        ),
        of_state(
            "Trust",
            "trust",
            device_class="enum",
            options=[*Trust],
            entity_category="diagnostic",
            icon="mdi:signal",
        ),
        of_state(
            "Strap battery",
            "battery_percent",
            device_class="battery",
            unit_of_measurement="%",
            state_class="measurement",
            entity_category="diagnostic",
        ),
        {
            "platform": "event",
            "name": "Cue",
            "state_topic": cue_topic,
            "value_template": "{{ dict(value_json, event_type=value_json.kind) | tojson }}",
            "event_types": [*CueKind],
            "icon": "mdi:bullhorn",
        },
        {
            "platform": "number",
            "name": "RPE",
            "state_topic": state_topic,
            "value_template": "{{ value_json.rpe }}",
            "command_topic": rpe_topic,
            "min": 0,
            "max": 10,
            "step": 0.5,
            "icon": "mdi:arm-flex",
        },
        {
            "platform": "sensor",
            "name": "Last session",
            "state_topic": summary_topic,
            "value_template": "{{ (value_json.elapsed_s / 60) | round(1) }}",
            "json_attributes_topic": summary_topic,
            "device_class": "duration",
            "unit_of_measurement": "min",
            "icon": "mdi:clipboard-text-clock",
            "availability": [],  # it is looked at when the run, and perhaps hrbridge, is over
        },
        *(
            {
                "platform": "button",
                "name": action.capitalize(),
                "command_topic": control_topic,
                "payload_press": _command(action),
                "icon": icon,
            }
            for action, icon in BUTTONS.items()
        ),
    ]
    return Discovery(
        device={
            "identifiers": [f"hrbridge_{runner_id}"],
            "name": f"hrbridge {runner_id}",
            "manufacturer": "hrbridge",
            "model": "heart-rate coach",
            "sw_version": __version__,
        },
        origin={"name": "hrbridge", "sw_version": __version__},
        availability=[
            {
                "topic": status_topic,
                "payload_available": messages.ONLINE.decode(),
                "payload_not_available": messages.OFFLINE.decode(),
            }
        ],
        qos=messages.STATE.qos,
        components={_slug(component["name"]): _identified(component, runner_id) for component in components},
    )


def _command(action: Action) -> str:
    """What a button sends. One press is enough to stop: a dashboard can ask first, and ours does."""
    return msgspec.json.encode(ControlSet(action=action, confirm=action is Action.STOP)).decode()


def _identified(component: Component, runner_id: str) -> Component:
    """With its two names: one for the registry, and the entity id that people write into cards and automations.

    Home Assistant before 2025.10 does not know ``default_entity_id`` and makes
    the same of the names of device and component.
    """
    key = _slug(component["name"])
    return {
        **component,
        "unique_id": f"hrbridge_{runner_id}_{key}",
        "default_entity_id": f"{component['platform']}.{_slug(f'hrbridge {runner_id} {key}')}",
    }


def _slug(name: str) -> str:
    """A name as Home Assistant writes it in an entity id."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
