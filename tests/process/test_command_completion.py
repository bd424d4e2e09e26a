"""`ocmlua completion`: what the shells themselves make of it."""
import json
import re
import shutil
import subprocess

import pytest
from harness import OCMLUA, run
from terminal import Terminal

COMMANDS = re.findall(r"^  (\w+) +\S", run("help").stdout.split("Commands:")[1].split("Example:")[0], re.MULTILINE)


def completion(shell):
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def needs(shell):
    return pytest.mark.skipif(not shutil.which(shell), reason=f"there is no {shell}")


def bash(folder, line):
    """What bash offers for the last word of a line."""
    (folder / "completion").write_text(completion("bash"))
    words = line.split(" ")
    script = 'source ./completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ocmlua; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-uc", script, "bash", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def fish(folder, line):
    (folder / "completion").write_text(completion("fish"))
    done = subprocess.run(["fish", "--no-config", "-c", f"source ./completion; complete -C {json.dumps(line)}"], cwd=folder,
                          env={"HOME": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


SHELLS = [pytest.param(bash, marks=needs("bash")), pytest.param(fish, marks=needs("fish"))]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line, offers", [
    ("ocmlua bund", ["bundle"]),
    ("ocmlua completion ", ["bash", "fish", "zsh"]),
    ("ocmlua completion b", ["bash"]),
    ("ocmlua bundle --cons", ["--constructor"]),
    ("ocmlua help bund", ["bundle"]),
    ("ocmlua ./plugin cap", ["capabilities"]),
    ("ocmlua ./plugin --con", ["--config"]),
])
def test_shell_offers(folder, shell, line, offers):
    assert sorted(shell(folder, line)) == offers


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_offered(folder, shell):
    assert set(COMMANDS) <= set(shell(folder, "ocmlua "))
    assert set(COMMANDS) == set(shell(folder, "ocmlua help "))


@needs("bash")
def test_every_option_is_offered(folder):
    for command in COMMANDS:
        options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", run("help", command).stdout.partition("Options")[2], re.MULTILINE))
        assert set(bash(folder, f"ocmlua {command} -")) == options | {"--help"}


@needs("bash")
def test_value_of_an_option_is_a_file(folder):
    assert bash(folder, "ocmlua bundle -o bund") == [] # then bash itself completes files
    assert bash(folder, "ocmlua bundle p --program x") == []


@needs("zsh")
def test_zsh_completes_at_a_terminal(folder):
    (folder / "functions").mkdir()
    (folder / "functions/_ocmlua").write_text(completion("zsh"))
    (folder / "ocmlua").symlink_to(OCMLUA)
    env = {"HOME": str(folder), "PATH": f"{folder}:/usr/bin:/bin", "TERM": "xterm"}
    with Terminal("zsh", "-f", "-i", cwd=folder, env=env) as terminal:
        terminal.type("PS1='ready''> '; fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -u -d ./dump\n")
        terminal.shows("ready> ")
        for typed, completed in (("ocmlua bund", "ocmlua bundle >"), ("ocmlua bundle --const", "ocmlua bundle --constructor"),
                                 ("ocmlua completion z", "ocmlua completion zsh >"), ("ocmlua ./x cap", "ocmlua ./x capabilities >")):
            terminal.type(typed + "\t'>'\x01print -r -- '<' \n")
            terminal.shows("< " + completed)
        terminal.type("exit\n")
        assert terminal.ends()[0] == 0


@needs("zsh")
def test_zsh_takes_it_as_a_source(folder):
    (folder / "completion").write_text(completion("zsh"))
    script = "autoload -Uz compinit && compinit -u -d ./dump; source ./completion; print -r -- $_comps[ocmlua]"
    done = subprocess.run(["zsh", "-fc", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "_ocmlua\n", "")


@pytest.mark.parametrize("arguments", [(), ("tcsh",), ("bash", "zsh")])
def test_other_shells_are_misuse(arguments):
    done = run("completion", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and "bash" in done.stderr
