# Every target works on its own, from a fresh clone: it first prepares its environment inside the checkout.
# To use another Python than python3: make PYTHON=/path/to/python3.12 TARGET

CHECK = tests/tools/in_env.sh dev python tests/tools/check.py
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint sanity integration chaos sweep bench molecule versions package clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## try the collection against two simulated EEMs
	@tests/tools/in_env.sh demo python tests/tools/demo.py

test: ## everything below except for clean
	@$(CHECK) all

unit: ## unit tests
	@$(CHECK) unit

lint: ## ruff, mypy, shellcheck, ansible-lint, documentation, changelog
	@$(CHECK) lint

sanity: ## ansible-test sanity with the ansible-core of .venv, on every installed Python
	@$(CHECK) sanity

integration: ## simulator, library and modules over real HTTP
	@$(CHECK) integration

chaos: ## random plays with faults and kills; SEED=N repeats a campaign, EPISODES=N sets its length
	@SEED=$(SEED) EPISODES=$(EPISODES) $(CHECK) chaos

sweep: ## each operation with each fault and each kill at each of its requests; part of it is in make chaos
	@tests/tools/in_env.sh dev python tests/chaos/sweep.py

bench: ## measure the cost of modules
	@$(CHECK) bench

molecule: ## the role on Debians with a real systemd; needs root and Debian's tools
	@$(CHECK) molecule

versions: ## unit and smoke tests, sanity and installation with every supported ansible-core
	@$(CHECK) versions

package: ## the tarball: contents, installation, Galaxy's checks, execution environment
	@$(CHECK) package

clean: ## remove the environment, logs and everything else that the targets created
	rm -rf .venv .ansible tests/output importer_result.json changelogs/.plugin-cache.yaml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
