# `make run` and `make test` do all set-up on a bare Debian 12. More: build bench asan tsan tidy format.
.PHONY: run test soak build bench asan tsan tidy fuzz format setup setup-extra
.DEFAULT_GOAL := build

run: build
	build/release/bin/runner --procs 8 config/jobs.yaml

test: setup
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev

soak: setup
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset soak

build: setup
	cmake --preset release
	cmake --build --preset release

bench: setup setup-extra
	cmake --preset bench
	cmake --build --preset bench
	bench/run.sh build/bench

asan: setup
	cmake --preset asan
	cmake --build --preset asan
	ctest --preset asan

tsan: setup
	cmake --preset tsan
	cmake --build --preset tsan --target thread_tests
	ctest --preset tsan

tidy fuzz: setup setup-extra
	cmake --preset $@
	cmake --build --preset $@
	ctest --preset $@

format: setup-extra
	git ls-files '*.hpp' '*.cpp' | xargs clang-format-19 -i

setup:
	@scripts/setup.sh scripts/packages.txt

setup-extra:
	@scripts/setup.sh scripts/packages-extra.txt
