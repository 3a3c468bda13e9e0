//! The bench in its smallest form: everything is measured once.

/// As a test, the bench is built with the same features as everything else, so that no dependency is built again for
/// it.
#[cfg(target_os = "linux")]
#[test]
fn the_bench_measures_every_figure_once() {
    let bench = std::process::Command::new(env!("CARGO_BIN_EXE_video-benches")).arg("--smoke").status();
    assert!(bench.is_ok_and(|status| status.success()));
}
