"""What goes over the socket, whatever the plugin: see protocol sections 2 and 3."""
from harness import Plugin

SCRIPT = 'return ocm.plugin { inputRepository = { types = { "T/v1" } } }'


def test_healthz_answers_get_with_an_empty_200():
    with Plugin(SCRIPT) as plugin:
        assert plugin.request("GET", "/healthz")[::2] == (200, b"")
        assert plugin.json("POST", "/identity", {"type": {"type": "T/v1"}}) == {"identity": {}}
