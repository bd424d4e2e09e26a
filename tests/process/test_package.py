"""What is installed: the man page, the completions, the Debian package. The build folder is that of the program under test."""
import gzip
import os
import re
import shutil
import subprocess

import pytest
from harness import OCMLUA, ROOT, environment, run

BUILD = OCMLUA.parent
DOCUMENTS = BUILD / "src/documents"

built = pytest.mark.skipif(not DOCUMENTS.exists(), reason="built without man page and completions (cross-compiled, or with sanitizers)")


def tool(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f"there is no {name}")


def call(*command, cwd=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_man_page(text):
    assert text.startswith('.\\" Made by ocmlua help --man.\n.TH OCMLUA 1 ')
    for command in re.findall(r"^  (\w+) +\S", run("help").stdout.split("Commands:")[1].split("Example:")[0], re.MULTILINE):
        assert f"\n.SS {command}\n" in text
    assert "\\fB\\-\\-constructor\\fR \\fIFILE\\fR\n" in text


def test_man_page_is_made_of_the_help():
    done = run("help", "--man")
    assert (done.returncode, done.stderr) == (0, "")
    check_man_page(done.stdout)
    assert done.stdout.isascii()


@tool("mandoc")
def test_man_page_is_good_roff(folder):
    (folder / "ocmlua.1").write_text(run("help", "--man").stdout)
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", folder / "ocmlua.1"], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@built
def test_documents_are_what_the_program_prints():
    for name, arguments in {"ocmlua.1": ("help", "--man"), "ocmlua.bash": ("completion", "bash"), "_ocmlua": ("completion", "zsh"),
                            "ocmlua.fish": ("completion", "fish")}.items():
        assert (DOCUMENTS / name).read_text() == run(*arguments).stdout


@built
@tool("cmake")
@pytest.mark.parametrize("prefix, zsh", [("/usr/local", "site-functions"), ("/usr", "vendor-completions")])
def test_install_puts_everything_into_its_place(folder, prefix, zsh):
    done = subprocess.run(["cmake", "--install", BUILD, "--strip", "--prefix", prefix], env={**os.environ, "DESTDIR": str(folder)}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    root = folder / prefix.lstrip("/")
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files - {"share/man/man1/ocmlua.1", "share/man/man1/ocmlua.1.gz"} == {
        "bin/ocmlua", "share/bash-completion/completions/ocmlua", "share/fish/vendor_completions.d/ocmlua.fish", f"share/zsh/{zsh}/_ocmlua",
        "share/doc/ocmlua/copyright"}
    assert len([file for file in files if "man1" in file]) == 1


@built
@tool("cpack")
@tool("dpkg-deb")
def test_debian_package_installs_and_works(folder):
    call("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder / "out", cwd=BUILD)
    [package] = (folder / "out").glob("ocmlua_*.deb")
    fields = {name: call("dpkg-deb", "-f", package, name).strip() for name in ("Package", "Version", "Depends", "Recommends")}
    project = re.search(r"project\(ocmlua VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert (fields["Package"], fields["Version"]) == ("ocmlua", project[1])
    assert "libc6 (>= " in fields["Depends"] and "libssl3" in fields["Recommends"]

    listing = {line.split()[-1]: line.split()[:2] for line in call("dpkg-deb", "-c", package).splitlines()}
    assert listing["./usr/bin/ocmlua"] == ["-rwxr-xr-x", "root/root"]

    root = folder / "root"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").write_text("")
    if os.getuid() == 0 and shutil.which("dpkg"): # with nothing else in that root, dependencies cannot be there
        call("dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--log=/dev/null", "-i", package)
        assert "install ok installed" in (root / "var/lib/dpkg/status").read_text()
    else:
        call("dpkg-deb", "-x", package, root)
    with gzip.open(root / "usr/share/man/man1/ocmlua.1.gz", "rt") as page:
        check_man_page(page.read())
    done = subprocess.run([root / "usr/bin/ocmlua", "--version"], capture_output=True, text=True, env=environment(folder), check=False)
    assert done.stdout == f"ocmlua {project[1]}\n"
    needed = re.findall(r"NEEDED +(\S+)", call("objdump", "-p", root / "usr/bin/ocmlua")) if shutil.which("objdump") else []
    if set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}:
        assert re.fullmatch(r"libc6 \(>= [\d.]+\)", fields["Depends"])
