"""ocm.tar and the `dir` input of the ocm CLI make the same bytes of the same directory."""
import pytest
from cli import Cli
from harness import Plugin, runner

LONG = "n" * 120


@pytest.fixture(scope="module")
def plugin():
    with Plugin(runner()) as running:
        yield running


def plant(tree):
    for name, content in {
        "a.txt": b"a\n", "empty": b"", "block": b"b" * 512, "docs/guide.md": b"guide\n", "docs/guide.txt": b"guide\n", "docs.d/x": b"x", "docs/deep/notes.md": b"notes\n",
        "zürich/straße": b"UTF-8\n", f"{LONG}": b"cut\n", f"{'d' * 60}/{'p' * 60}/{'q' * 70}": b"split\n", f"{LONG}.d/{LONG}": b"long\n", "x/" * 130 + "deep": b"deep\n", "bin/tool": b"#!\n",
        f"{'e' * 99}/": None, f"{'f' * 100}/": None, f"{'g' * 98}ü/": None, f"{'h' * 100}/i": b"edge", f"{'k' * 155}/l": b"edge", f"{'m' * 156}/l": b"edge", "s p a c e": b"",
    }.items():
        if content is None:
            (tree / name).mkdir(parents=True)
            continue
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "bin/tool").chmod(0o755)
    (tree / "a.txt").chmod(0o600)
    (tree / "docs").chmod(0o750)


CASES = [
    ({}, ""),
    ({"preserveDir": True}, "preserveDir = true"),
    ({"includeFiles": ["*.txt", "docs/*.md"]}, 'include = { "*.txt", "docs/*.md" }'),
    ({"includeFiles": ["./docs/*", "/bin/t??l", "x/*"]}, 'include = { "./docs/*", "/bin/t??l", "x/*" }'),
    ({"includeFiles": ["*"]}, 'include = { "*" }'),
    ({"includeFiles": ["[a-c]*", "docs/[^a-f]*", "z?rich/*"]}, 'include = { "[a-c]*", "docs/[^a-f]*", "z?rich/*" }'),
    ({"excludeFiles": ["docs/deep", "x", "*.txt"]}, 'exclude = { "docs/deep", "x", "*.txt" }'),
    ({"excludeFiles": ["*"]}, 'exclude = { "*" }'),
    ({"includeFiles": [], "excludeFiles": ["docs/*"]}, 'include = {}, exclude = { "docs/*" }'),
    ({"includeFiles": ["tree/docs/*", "tree/a.txt"], "preserveDir": True}, 'include = { "tree/docs/*", "tree/a.txt" }, preserveDir = true'),
    ({"includeFiles": ["[docs", "a.txt"]}, None),
]


def test_the_same_directory_is_the_same_archive(plugin):
    with Cli() as cli:
        plant(cli.path / "tree")
        for number, (spec, options) in enumerate(CASES):
            component = {"name": f"acme.org/tree{number}", "resources": [{"name": "tree", "input": {"type": "dir", "path": "tree", "reproducible": True, **spec}}]}
            if options is None:
                assert "syntax error in pattern" in cli.fails("add", "cv", *cli.constructor(component))
                continue
            cli.add(component)
            [stored] = cli.descriptor(component["name"])["resources"]
            ours, = plugin.run(f'ocm.digest_of(ocm.tar("{cli.path}/tree", {{ {options} }}))')
            assert ours == "sha256:" + stored["digest"]["value"], (spec, options)


def test_links_are_an_error_there_and_can_be_here(plugin):
    with Cli() as cli:
        (cli.path / "tree").mkdir()
        (cli.path / "tree/link").symlink_to("nowhere")
        component = {"name": "acme.org/link", "resources": [{"name": "tree", "input": {"type": "dir", "path": "tree", "reproducible": True}}]}
        assert "symlinks are not supported" in cli.fails("add", "cv", *cli.constructor(component))
        assert "a symbolic link is not wanted here" in plugin.run_error(f'ocm.digest_of(ocm.tar("{cli.path}/tree", {{ links = "refuse" }}))')
