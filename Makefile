# Every task of this project. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test test-deploy torture bench lint

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: ## Start the whole system on this machine; ARGS="--port 0" passes options
	@tools/need ffmpeg ffmpeg ffmpeg
	@tools/build-local
	@exec "$${CARGO_TARGET_DIR:-target}/debug/video-local" $(ARGS)

test: ## Run every test
	@tools/need ffmpeg ffmpeg ffmpeg
	@tools/need chromedriver "chromium chromium-driver fonts-liberation" "chromium chromedriver"
	@test "$$(uname)" != Linux || tools/need WebKit "webkit2gtk-driver xvfb gstreamer1.0-libav" "" \
		sh -c "command -v WebKitWebDriver && command -v Xvfb && ls /usr/lib/*/gstreamer-1.0/libgstlibav.so"
	@tools/need npm "nodejs npm" node
	npm --prefix tests ci
	@tools/need "Python's venv" python3-venv python3 python3 -c "import ensurepip"
	@tools/need openssl openssl openssl
	cargo test --workspace
	tests/schemathesis/run
	tests/deploy/run

test-deploy: ## Lint template.yaml, deploy it to a local AWS and test what was deployed
	@tools/need ffmpeg ffmpeg ffmpeg
	@tools/need "Python's venv" python3-venv python3 python3 -c "import ensurepip"
	tests/deploy/run

torture: ## Run the long forms of the fault, fuzz and browser tests (an hour)
	@tools/need ffmpeg ffmpeg ffmpeg
	@tools/need chromedriver "chromium chromium-driver fonts-liberation" "chromium chromedriver"
	cargo test --profile local --package video-tests --test faults --test fuzz --test pages -- --ignored --nocapture

bench: ## Measure the functions and write docs/BENCHMARKS.md (Linux, a few minutes); ARGS passes options
	@tools/need valgrind valgrind valgrind
	@tools/need npm "nodejs npm" node
	@tools/need openssl openssl openssl
	@tools/need "Python's venv" python3-venv python3 python3 -c "import ensurepip"
	cargo run --profile local --package video-benches -- $(ARGS)

lint: ## Check formatting and style, as CI does
	tools/line-widths
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
