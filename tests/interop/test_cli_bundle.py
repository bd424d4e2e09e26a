"""A bundle on its way to users: published as a component version, fetched with `ocm download plugin`, and then serving the CLI."""
import json
import shutil

from cli import Cli
from harness import run

SCRIPT = '''local ocm = require "ocm"
local text = require "text"
return ocm.plugin {
  inputRepository = {
    types = { ["Bundled/v1"] = { schema = ocm.schema { name = "string" } } },
    ProcessResource = function(request)
      return { resource = request.resource, location = { value = ocm.tempfile():write(text(request.resource.input.name)), mediaType = "text/plain" } }
    end,
  },
}
'''


def test_bundle_is_published_downloaded_and_used():
    with Cli() as cli:
        source = cli.path / "source"
        source.mkdir()
        (source / "bundled.lua").write_text(SCRIPT)
        (source / "text.lua").write_text('return function(name) return "from a bundle: " .. name .. "\\n" end\n')
        done = run("bundle", "bundled.lua", "-o", "bundled", "--constructor", "constructor.yaml",
                   "--component", "acme.org/plugins/bundled", "--version", "2.1.0", "--json", cwd=source)
        platform = json.loads(done.stdout)
        cli.ok("add", "cv", "--repository", "plugins-ctf", "--constructor", "source/constructor.yaml")
        shutil.rmtree(source)

        [resource] = cli.descriptor("acme.org/plugins/bundled", "2.1.0", "plugins-ctf")["resources"]
        assert (resource["type"], resource["version"]) == ("ocmPlugin", "2.1.0")
        assert resource["extraIdentity"] == {"os": platform["os"], "architecture": platform["architecture"]}

        cli.ok("download", "plugin", "plugins-ctf//acme.org/plugins/bundled:2.1.0", "--output", cli.path / "fetched")
        shutil.copy(cli.path / "fetched/bundled", cli.plugins)
        (cli.bin / "ocmlua").unlink() # nothing of it is installed

        cli.add({"name": "acme.org/greetings", "resources": [{"name": "greeting", "input": {"type": "Bundled/v1", "name": "World"}}]})
        assert cli.download("acme.org/greetings", "greeting").read_text() == "from a bundle: World\n"
