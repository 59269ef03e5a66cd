# Every target works on its own, from a fresh clone: it first prepares its environment inside the checkout.
# To use another Python than python3: make PYTHON=/path/to/python3.12 TARGET

# The targets are tags of the sessions in noxfile.py.

CHECK = tests/tools/in_env.sh dev tests/tools/check.py -t
export PYTHON SEED EPISODES

.DEFAULT_GOAL := help
.PHONY: help demo test thorough all unit lint docs integration awx chaos sweep package sanity versions bench molecule release-check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## try the collection against two simulated EEMs
	@tests/tools/in_env.sh demo python tests/tools/demo.py

test: ## unit, lint, integration, awx, chaos and package
	@$(CHECK) test

thorough: ## sanity, versions, docs, bench, molecule, jobs of AWX and longer chaos
	@$(CHECK) thorough

all: ## test and thorough
	@$(CHECK) test thorough

unit: ## unit tests
	@$(CHECK) unit

lint: ## ruff, mypy, shellcheck, ansible-lint, changelog, documentation
	@$(CHECK) lint

docs: ## check the documentation and build its site
	@$(CHECK) docs

integration: ## simulator, library and modules over real HTTP
	@$(CHECK) integration

awx: ## playbooks as jobs of AWX, with ansible-runner in containers; needs root
	@$(CHECK) awx

chaos: ## random plays with faults and kills; SEED=N repeats a campaign, EPISODES=N sets its length
	@$(CHECK) chaos

package: ## the tarball: contents, installation, Galaxy's checks, execution environment
	@$(CHECK) package

sanity: ## ansible-test sanity, on every installed Python
	@$(CHECK) sanity

versions: ## unit and smoke tests, sanity and installation with every supported ansible-core
	@$(CHECK) versions

sweep: ## each operation with each fault and each kill at each of its requests; part of it is in make chaos
	@$(CHECK) sweep

bench: ## measure the cost of modules
	@$(CHECK) bench

molecule: ## the role on Debians with a real systemd; needs root and Debian's tools
	@$(CHECK) molecule

release-check: ## whether the version in galaxy.yml can be released: changelog, package, Galaxy's checks, documentation, sanity, upgrade
	@$(CHECK) release

clean: ## remove the environment, logs and everything else that the targets created
	rm -rf .venv .ansible tests/output importer_result.json changelogs/.plugin-cache.yaml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
