# The two commands of a newcomer, and what the maintainers run. Each target sets up what it
# needs and says so; see CONTRIBUTING.md.

.PHONY: demo test chaos check sqlx bench fuzz simulate help

help:
	@echo "make demo    the paper's experiment on real images, on this machine, start to end"
	@echo "make test    every test, but those that take long"
	@echo "make chaos   those that take long: killed, cut off, full disks, a million jobs"
	@echo "make check   format and clippy"
	@echo "make sqlx    refresh the checked queries in .sqlx/ after a change to SQL"
	@echo "make bench   the measurements in bench/"
	@echo "make fuzz    ten minutes of hostile input for each reader"
	@echo "make simulate    ten thousand simulated fleets, every promise checked"

demo:
	@deploy/dev/demo

test:
	@deploy/dev/test

chaos:
	@deploy/dev/chaos

check:
	cargo fmt --all --check
	cargo clippy --locked --release --workspace --all-targets -- --deny warnings

sqlx:
	@deploy/dev/refresh-sqlx

bench:
	@bench/run

fuzz:
	@deploy/dev/fuzz 600

simulate:
	cargo run --locked --release -p selffer-core --example simulate -- --seeds 10000
