# The commands of README.md. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run test build release lint model promise promise-traps fuzz \
    bench bench-peers bench-growth bench-micro install-deps clean
.NOTPARALLEL:

# One set of flags for every debug build, so that nothing is built twice. A target may import only
# what Package.swift gives it: the table of imports in ARCHITECTURE.md is a fact. C++ is optimised:
# else one password takes a second of a core.
DEBUG := --explicit-target-dependency-import-check error -Xcxx -O2
SWIFT := scripts/toolchain swift

help:
	@echo 'make run           installs what is missing, builds, and runs a private Doornail here'
	@echo '                   (ARGS="--data DIR" for its flags; Ctrl-C stops it)'
	@echo 'make test          installs what is missing and runs everything that must hold'
	@echo 'make build         a release binary that needs no Swift: .build/release/doornail, and its'
	@echo '                   symbols beside it: doornail.debug'
	@echo 'make model         checks the protocol: its executable model, by spin (Tests/Model)'
	@echo 'make promise       real nodes and databases under faults, some 5 minutes (Tests/Promise)'
	@echo '                   (ARGS="--seconds 1200" for longer; as root it can cut networks)'
	@echo 'make promise-traps plants each defect it should find, and says how soon it did'
	@echo 'make fuzz          what reads foreign bytes, fed with anything, 5 minutes (Tests/Fuzz)'
	@echo '                   (ARGS=60 for an hour, ARGS="10 token jwt" for these two alone)'
	@echo 'make bench         what a node can do beside a bare NIO handler, some 20 minutes'
	@echo 'make bench-peers   the same, beside other servers, which it installs'
	@echo 'make bench-growth  the same over millions of grants; 20 minutes, and 25 GB of disk'
	@echo 'make bench-micro   instructions and allocations, against their thresholds'
	@echo 'make lint          swift-format, strictly, and a build that checks the imports'
	@echo 'make install-deps  only installs what building and testing need'
	@echo 'make clean         removes what was built; a data folder (.doornail) stays'

run: release
	@exec .build/release/doornail dev $(ARGS)

# What was stripped is linked anew by the next build, so only what is to be deployed is.
build: release
	scripts/toolchain scripts/strip .build/release/doornail

release:
	@scripts/toolchain
	@scripts/install run
	$(SWIFT) build -c release --static-swift-stdlib --product doornail

test:
	@scripts/toolchain
	@scripts/install test
	scripts/lint
	$(SWIFT) build --build-tests $(DEBUG)
	scripts/test

model:
	@scripts/install test
	scripts/model

promise promise-traps:
	@scripts/toolchain
	@scripts/install test
	$(SWIFT) build --product doornail $(DEBUG)
	.venv/bin/python Tests/Promise/promise.py $(if $(filter promise-traps,$@),--trap all) $(ARGS)

fuzz:
	@scripts/toolchain
	@scripts/install run
	scripts/fuzz $(ARGS)

lint:
	@scripts/toolchain
	@scripts/install run
	scripts/lint
	$(SWIFT) build --build-tests $(DEBUG)

bench bench-peers: release
	@scripts/install bench
	$(SWIFT) build -c release --static-swift-stdlib --product Limit
	.venv/bin/python Benchmarks/bench.py $(if $(filter bench-peers,$@),--peers) \
		--markdown docs/benchmarks.md --plot docs/rates.svg $(ARGS)

bench-growth: release
	@scripts/install bench
	.venv/bin/python Benchmarks/growth.py --markdown docs/benchmarks.md --plot docs/growth.svg $(ARGS)

bench-micro:
	Benchmarks/micro check

install-deps:
	@scripts/install test

clean:
	rm -rf .build .build-fuzz .venv examples/app/.venv .pytest_cache
