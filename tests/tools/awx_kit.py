#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate docs/awx/controller.yml, docs/awx/project/*.yml and the credential types of the event source.

With --check, only verify that they are up to date.

The surveys are made from the headers of the playbooks; the choices, defaults and types of numbers are those that the
modules document for the option to which the playbook passes the variable. What AWX accepts was read in its source: `fields.py`
(credential types), `views` and `models/mixins.py` (surveys), and inject_credential in awx-plugins.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from returns import Dumper

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / "docs" / "awx"
EDA = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "credential_types" / "expether.yml"

#: Playbooks without a job template.
NOT_OFFERED = {"demo": "it needs test EEMs and is run from a checkout"}
#: Variables that no survey asks for.
NOT_ASKED = {
    "eem_url": "of the credential: whoever may start the job could send the credential's password to another server",
    "eem_username": "of the credential",
    "eem_password": "of the credential: AWX writes survey answers as YAML, in which ansible-core changes a password like 0123",
    "expether_hosts": "of the job template's extra_vars: it is the same for all jobs",
}

EEM, REGISTRY = "ExpEther EEM", "ExpEther registry"
PROJECT, JOBS, NODES, IMAGE = "ExpEther", "ExpEther jobs", "ExpEther nodes", "ExpEther"
ORGANIZATION = "{{ expether_awx_organization }}"
_HEADER = re.compile(r"^#   (\w+)  +(\w+)(, required)?  +(\w.*)$", re.MULTILINE)
_LABELS = {
    "podm": "pod manager",
    "podms": "pod managers",
    "eem": "EEM",
    "ca": "CA",
    "cert": "certificate",
    "certs": "certificates",
    "dir": "directory",
}


class Unsafe(str):
    """Text with braces that are for AWX and not for Ansible."""


class _Dumper(Dumper):
    """Writes texts of several lines as such."""


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


# -- credential types -------------------------------------------------------------------------------------------


def _field(name: str, label: str, help_text: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "string", "label": label, "help_text": help_text, **more}


def _file(name: str, field: str) -> str:
    """Return the template of a variable with the path of a file, which is not set if the file's input is empty."""
    return f"{{% if {field} %}}{{{{ tower.filename.{name} }}}}{{% endif %}}"


def credential_types() -> list[dict[str, Any]]:
    """Return the credential types. They inject environment variables and files only.

    `extra_vars` would be YAML, in which ansible-core changes a password like 0123, and they are not injected into
    inventory updates. An input that was not filled in makes an empty variable, which means not set.
    """
    eem = [
        _field("url", "EEM URL", "http://HOST:30500/eem"),
        _field("username", "EEM user name", "A user who may change the fabric, or only read it."),
        _field("password", "EEM password", "The password of this user.", secret=True),
        _field(
            "podm", "Pod manager", "The name of a registered pod manager, if jobs should use it instead of the URL."
        ),
        # Not a boolean: AWX makes false of a boolean that the API did not set, and the certificate would not be verified.
        # An empty choice becomes the first one.
        _field(
            "validate_certs",
            "Verify the TLS certificate",
            "If it is not set, the pod manager's registration decides, and without one the certificate is verified.",
            choices=["not set", "true", "false"],
        ),
        _field(
            "ca_certificate", "CA certificates", "The certificate authorities to trust, in PEM format.", multiline=True
        ),
        _field(
            "client_certificate", "Client certificate", "For TLS client authentication, in PEM format.", multiline=True
        ),
        _field(
            "client_key", "Client key", "Its key, in PEM format, without a passphrase.", multiline=True, secret=True
        ),
        _field("timeout", "Timeout", "How many seconds a request to the EEM may take."),
    ]
    registry = [
        _field("registry", "Registry", "Where nodes and pod managers are stored: a registry that outlives the job."),
        _field(
            "key",
            "Registry key",
            "The content of the registry's key file: one key, or several lines while the key is replaced.",
            multiline=True,
            secret=True,
        ),
        _field("password", "PostgreSQL password", "The password of the user in a postgresql:// URL.", secret=True),
        _field(
            "ca_certificate",
            "PostgreSQL CA certificates",
            "The certificate authorities to trust with sslmode=verify-full, in PEM format.",
            multiline=True,
        ),
    ]
    return [
        _credential_type(
            EEM,
            "An EEM and its user, for nec.expether.",
            eem,
            ["username", "password"],
            file={"template.ca": "ca_certificate", "template.cert": "client_certificate", "template.key": "client_key"},
            env={
                "EEM_URL": "{{ url }}",
                "EEM_USERNAME": "{{ username }}",
                "EEM_PASSWORD": "{{ password }}",
                "EEM_PODM": "{{ podm }}",
                "EEM_VALIDATE_CERTS": "{% if validate_certs in ('true', 'false') %}{{ validate_certs }}{% endif %}",
                "EEM_CA_PATH": _file("ca", "ca_certificate"),
                "EEM_CLIENT_CERT": _file("cert", "client_certificate"),
                "EEM_CLIENT_KEY": _file("key", "client_key"),
                "EEM_TIMEOUT": "{{ timeout }}",
            },
        ),
        _credential_type(
            REGISTRY,
            "The registry that all jobs share, and its key, for nec.expether.",
            registry,
            ["registry"],
            file={"template.registry_key": "key", "template.registry_ca": "ca_certificate"},
            env={
                "EXPETHER_REGISTRY": "{{ registry }}",
                "EXPETHER_REGISTRY_KEY_FILE": _file("registry_key", "key"),
                # Read by libpq, for which empty ones are not set either.
                "PGPASSWORD": "{{ password }}",
                "PGSSLROOTCERT": _file("registry_ca", "ca_certificate"),
            },
        ),
    ]


def _credential_type(
    name: str,
    description: str,
    fields: list[dict[str, Any]],
    required: list[str],
    file: dict[str, str],
    env: dict[str, str],
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "kind": "cloud",
        "inputs": {"fields": fields, "required": required},
        "injectors": {
            "file": {label: Unsafe(f"{{{{ {field} }}}}") for label, field in file.items()},
            "env": {variable: Unsafe(template) for variable, template in env.items()},
        },
    }


def eda_credential_types() -> list[dict[str, Any]]:
    """Return the same credential types for an EDA controller, where an input that was not filled in is not defined."""

    def template(text: str) -> str:
        text = re.sub(r"\{\{ (\w+) \}\}", r"{{ \1 | default('') }}", text)
        text = re.sub(r"\{% if (\w+)", r"{% if \1 | default('')", text)
        return text.replace("tower.filename", "eda.filename")

    found = []
    for each in credential_types():
        injectors = {
            kind: {name: template(str(text)) for name, text in named.items()}
            for kind, named in each["injectors"].items()
        }
        found.append({key: each[key] for key in ("name", "description", "inputs")} | {"injectors": injectors})
    return found


# -- job templates ----------------------------------------------------------------------------------------------


def playbooks() -> list[str]:
    """Return the names of the playbooks that get a job template."""
    return sorted({path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {*NOT_OFFERED})


def _documented(module: str) -> dict[str, dict[str, Any]]:
    """Return the options in a module's documentation, with those of its fragments."""
    about = yaml.safe_load(_texts(ROOT / "plugins" / "modules" / f"{module}.py")["DOCUMENTATION"])
    options: dict[str, dict[str, Any]] = {}
    for fragment in about.get("extends_documentation_fragment", []):
        file, dummy, part = fragment.removeprefix("nec.expether.").partition(".")
        found = yaml.safe_load(
            _texts(ROOT / "plugins" / "doc_fragments" / f"{file}.py")[part.upper() or "DOCUMENTATION"]
        )
        options |= found.get("options", {})
    for name, own in about.get("options", {}).items():
        options[name] = {**options.get(name, {}), **own}
    return options


def _texts(path: Path) -> dict[str, str]:
    """Return the texts that a Python file assigns to names, also in its classes."""
    return {
        node.targets[0].id: node.value.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def _option(play: dict[str, Any], variable: str) -> dict[str, Any]:
    """Return the documentation of the option to which a play passes a variable, also through other variables."""
    for task in play["tasks"]:
        helpers = {**play.get("vars", {}), **task.get("vars", {})}
        for action, arguments in task.items():
            if action.startswith("nec.expether.expether_"):
                options = _documented(action.rpartition(".")[2])
                for option, value in arguments.items():
                    text = " ".join([str(value), *(str(more) for name, more in helpers.items() if name in str(value))])
                    if re.search(rf"\b{variable}\b", text):
                        return options[option]
    return {}


def _question(play: dict[str, Any], variable: str, kind: str, required: bool, description: str) -> dict[str, Any]:
    """Return the survey question for a variable."""
    option = _option(play, variable)
    # Only what the module would use anyway: without a documented default, the environment or the registry decides.
    default = option.get("default", "")
    more: dict[str, Any]
    if kind == "choice":
        # Some pages of AWX take the first choice for a question without an answer. A description begins with what the
        # other one does.
        false_first = "false" not in description if default == "" else not default
        choices = ["false", "true"] if false_first else ["true", "false"]
        more = {"type": "multiplechoice", "choices": "\n".join(choices), "default": str(default).lower()}
    elif kind == "number":
        number = int if option.get("type") == "int" else float
        # AWX refuses a default of the other type.
        more = {
            "type": "integer" if number is int else "float",
            "min": 0,
            "max": 1000000,
            "default": number(default) if default != "" else "",
        }
    elif option.get("elements") and "choices" in option:
        more = {"type": "multiselect", "choices": "\n".join(option["choices"]), "default": ""}
    elif kind == "text":
        is_list = play["tasks"][0]["vars"]["expether_kinds"][variable] in ("list", "ids") or "PEM" in description
        more = {
            "type": "textarea" if is_list else "text",
            # AWX refuses to leave a question open that has a minimum.
            "min": 1 if required else 0,
            "max": 65536 if is_list else 1024,
            "default": "",
        }
    else:
        raise SystemExit(f"{variable} is of kind {kind}, for which there is no question. Add it to NOT_ASKED.")
    label = " ".join(_LABELS.get(word, word) for word in variable.split("_"))
    return {
        "question_name": f"{label[0].upper()}{label[1:]}",
        "question_description": description,
        "variable": variable,
        "required": required,
        **more,
    }


def variables(playbook: str) -> list[tuple[str, str, bool, str]]:
    """Return name, kind, whether it is required, and description of each variable in a playbook's header."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    return [(name, kind, bool(required), about) for name, kind, required, about in _HEADER.findall(text)]


def job_template(playbook: str) -> dict[str, Any]:
    """Return the job template for a playbook."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    (play,) = yaml.safe_load(text)
    about = re.match(r"---\n((?:# .*\n)+)", text)
    if about is None:
        raise SystemExit(f"{playbook}.yml does not begin with a description.")
    questions = [_question(play, *entry) for entry in variables(playbook) if entry[0] not in NOT_ASKED]
    registers = any(name == "eem_url" for name, *_more in variables(playbook))
    return {
        "name": f"ExpEther - {play['name']}",
        "description": " ".join(line.removeprefix("# ") for line in about[1].splitlines()),
        "organization": ORGANIZATION,
        "job_type": "run",
        "inventory": JOBS,
        "project": PROJECT,
        "playbook": f"{playbook}.yml",
        "execution_environment": IMAGE,
        # A URL in the environment would decide on the EEM in all jobs that do not set podm.
        "credentials": f"{{{{ expether_awx_credentials{' + expether_awx_eem_credentials' if registers else ''} }}}}",
        "extra_vars": {"expether_hosts": "{{ expether_awx_host }}"},
        "ask_credential_on_launch": True,
        "ask_job_type_on_launch": True,
        "ask_diff_mode_on_launch": True,
        "ask_verbosity_on_launch": True,
        "survey_enabled": True,
        "survey_spec": {"name": "", "description": "", "spec": questions},
    }


# -- files ------------------------------------------------------------------------------------------------------


def controller() -> dict[str, Any]:
    """Return the variables of infra.aap_configuration that are the same for everybody; settings.yml has the others."""
    return {
        "controller_credential_types": credential_types(),
        "controller_execution_environments": [
            {"name": IMAGE, "image": "{{ expether_awx_image }}", "organization": ORGANIZATION}
        ],
        "controller_projects": [
            {
                "name": PROJECT,
                "organization": ORGANIZATION,
                "scm_type": "git",
                "scm_url": "{{ expether_awx_project_url }}",
                "scm_branch": "{{ expether_awx_project_branch }}",
                "scm_update_on_launch": False,
                "default_environment": IMAGE,
                "update_project": True,
                "wait": True,
            }
        ],
        "controller_inventories": [
            {"name": JOBS, "organization": ORGANIZATION, "description": "Where the jobs of nec.expether run."},
            {"name": NODES, "organization": ORGANIZATION, "description": "The nodes, read by nec.expether.expether."},
        ],
        "controller_inventory_sources": [
            {
                "name": NODES,
                "inventory": NODES,
                "organization": ORGANIZATION,
                "source": "scm",
                "source_project": PROJECT,
                "source_path": "inventory/expether.yml",
                "credential": "{{ expether_awx_inventory_credential }}",
                "execution_environment": IMAGE,
                # Released nodes disappear.
                "overwrite": True,
                "overwrite_vars": True,
                "update_on_launch": False,
            }
        ],
        "controller_templates": [job_template(playbook) for playbook in playbooks()],
    }


def files() -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its text."""
    notice = "---\n# Generated by tests/tools/awx_kit.py: do not edit.\n"
    data = yaml.dump(controller(), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    yield KIT / "controller.yml", f"{notice}{data}"
    types = yaml.dump(eda_credential_types(), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    yield EDA, f"{notice}# Paste inputs and injectors of each into a new credential type of an EDA controller.\n{types}"
    for playbook in playbooks():
        (play,) = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
        # AWX before 2024 does not recognise a playbook by ansible.builtin.import_playbook.
        yield (
            KIT / "project" / f"{playbook}.yml",
            f"{notice}- name: {play['name']}\n  import_playbook: nec.expether.{playbook}\n",
        )


def main() -> int:
    """Write or check every file."""
    wanted = dict(files())
    present = {KIT / "controller.yml", *(KIT / "project").glob("*.yml")}
    stale = {path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    stale |= present - {*wanted}
    if stale and "--check" in sys.argv:
        names = ", ".join(sorted(str(path.relative_to(ROOT)) for path in stale))
        print(f"{names} differ from the playbooks. Run tests/tools/awx_kit.py.")
        return 1
    for path in stale:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
