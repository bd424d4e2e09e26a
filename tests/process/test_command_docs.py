"""`ocmlua docs`: what is shown, and the reference as a file."""
import re

import pytest
from harness import ROOT, run

REFERENCE = ROOT / "lua/REFERENCE.md"


def docs(*arguments):
    done = run("docs", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


MARKDOWN = docs("--markdown")
STUBS = "\n".join(path.read_text() for path in sorted((ROOT / "lua/types").glob("*.lua")))


# ---- at a terminal ----

def test_overview_has_every_contract_and_function():
    shown = docs()
    functions = set(re.findall(r"^function ([\w.:]+)\(", STUBS, re.MULTILINE))
    assert functions <= set(re.findall(r"^  ([\w.:]+)  ", shown, re.MULTILINE))
    for contract in ("componentVersionRepository", "signingHandler"):
        assert f"  {contract} " in shown


def test_summaries_are_whole_and_none_is_empty():
    for line in docs().splitlines():
        if re.match(r"  [\w.]+:?\w*  ", line):
            summary = line.split(None, 1)[1]
            assert summary and not summary.endswith((":", ";", ",")), line
            assert summary.count("`") % 2 == 0, line


@pytest.mark.parametrize("topic, says", [
    ("inputRepository", "POST /resource/process"),
    ("ProcessResource", "inputRepository"),
    ("ocm.fail", "ocm.fail(status, format, ...)"),
    ("fail", "400 to 599"),
    ("Resource", "extraIdentity?"),
    ("pipe", "ocm.pipe(source, ...)"),
    ("crypto", "ocm.crypto.verify_chain"),
    ("ocm.DigestedResource", "With all fields of ocm.Resource."),
])
def test_topic_is_shown(topic, says):
    assert says in docs(topic)


def test_unknown_topic_is_an_error_with_the_nearest():
    done = run("docs", "ocm.fial")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'ocmlua docs: there is nothing about "ocm.fial", did you mean "ocm.fail"?\n'


# ---- Markdown ----

def test_reference_is_fresh():
    assert REFERENCE.read_text() == MARKDOWN, "lua/REFERENCE.md is behind lua/types: cmake --build build/release --target reference"


def test_parts_come_in_their_order():
    parts = re.findall(r"^## (.*)$", MARKDOWN, re.MULTILINE)
    assert parts[:3] == ["Plugins", "Contracts", "Component descriptors"]
    assert len(parts) == len(list((ROOT / "lua/types").glob("*.lua"))) == len(set(parts))


def test_every_function_has_an_entry_with_a_text():
    headings = re.findall(r"^#### (.*)\n\n(.*)$", MARKDOWN, re.MULTILINE)
    entries = dict(headings)
    for signature in re.findall(r"^function ([\w.:]+\(.*?\))", STUBS, re.MULTILINE):
        assert entries[signature], signature


def test_every_heading_has_something_below_it():
    bare = re.findall(r"^(#### .*)\n\n(?=#)", MARKDOWN, re.MULTILINE)
    assert bare == []


def github_anchors(text):
    counts = {}
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-")
        count = counts[anchor] = counts.get(anchor, -1) + 1
        yield f"{anchor}-{count}" if count else anchor


def test_every_link_leads_to_a_heading():
    anchors = set(github_anchors(MARKDOWN))
    links = re.findall(r"\]\(#(.*?)\)", MARKDOWN)
    assert len(links) > 200
    assert [link for link in links if link not in anchors] == []


def test_links_of_the_same_name_lead_to_what_they_name():
    assert "[`ocm.Tempfile`](#ocmtempfile)" in MARKDOWN
    assert "[`ocm.tempfile`](#ocmtempfile-1)" in MARKDOWN


def test_tables_have_as_many_cells_as_their_heads():
    columns = 0
    for line in MARKDOWN.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and columns:
            assert cells == columns, line
        columns = cells
