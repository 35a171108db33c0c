"""What `make audit` prints of the packages that the image installs (requirements/run.txt).

Their licences, of which none may be other than ALLOWED; a bill of materials, build/sbom.cdx.json; and
the vulnerabilities that are known, for which pip-audit asks a database on the net. Where that cannot be
reached nothing is known, and this says so: it is no failure, and no success.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LOCK = ROOT / "requirements" / "run.txt"
SBOM = ROOT / "build" / "sbom.cdx.json"
# Licences that ask for no more than their own text, or for the source of what is used unchanged.
ALLOWED = (*("MIT", "BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "MPL", "Mozilla", "Unlicense"),)
KNOWN = {"unidecode": "airbyte-cdk needs it, and so does every connector made with it"}


def tool(name: str, *args: str) -> str:
    """What a tool prints."""
    return subprocess.run([BIN / name, *args], capture_output=True, text=True, check=False).stdout


def normalized(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub("[-_.]+", "-", name).lower()


def licences(packages: set[str]) -> list[str]:
    """Prints how many packages have which licence; returns those that may not be there."""
    options = ("--format=json", "--from=mixed", "--with-system")
    installed = json.loads(tool("pip-licenses", f"--python={ROOT}/.venv/bin/python", *options))
    found = {normalized(package["Name"]): package["License"].splitlines()[0] for package in installed}
    by_licence: dict[str, list[str]] = {}
    for name in sorted(packages):
        by_licence.setdefault(found.get(name, "of another system or Python"), []).append(name)
    wrong = []
    for licence, names in sorted(by_licence.items(), key=lambda entry: -len(entry[1])):
        print(f"  {len(names):3} {licence[:60]}: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}")
        if any(allowed in licence for allowed in ALLOWED):
            continue
        for name in names:
            if name in KNOWN:
                print(f"      ({name}: {KNOWN[name]})")
            elif name in found:
                wrong.append(f"{name}: {licence}")
    return wrong


def vulnerabilities() -> list[str]:
    """Prints what is known; returns what was found."""
    options = ("--disable-pip", "--require-hashes", "--format=json", "--progress-spinner=off")
    printed = tool("pip-audit", "-r", str(LOCK), *options)
    packages = json.loads(printed)["dependencies"] if printed.strip() else []
    looked_up = [package for package in packages if "vulns" in package]
    if not looked_up:
        print("  NOT LOOKED UP: the database of vulnerabilities cannot be reached from here.")
        return []
    print(f"  {len(looked_up)} of {len(packages)} packages were looked up.")
    return [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in looked_up
        for vulnerability in package["vulns"]
    ]


def main() -> None:
    """Prints all three."""
    lock = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==", LOCK.read_text(), re.M)
    packages = {normalized(name) for name in lock}
    SBOM.parent.mkdir(exist_ok=True)
    tool("cyclonedx-py", "requirements", str(LOCK), "--output-reproducible", "-o", str(SBOM))
    listed = {normalized(part["name"]) for part in json.loads(SBOM.read_text())["components"]}
    print(f"Bill of materials: {len(listed)} packages, in {SBOM.relative_to(ROOT)}")
    print(f"Licences of {len(packages)} packages:")
    wrong = licences(packages)
    wrong += [f"{name}: not in the bill of materials" for name in packages - listed]
    print("Vulnerabilities:")
    wrong += vulnerabilities()
    print("\n".join(["", *wrong]) if wrong else "Nothing was found that should not be.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
