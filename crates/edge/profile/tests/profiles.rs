//! Profiles of this very test, read by `go tool pprof`.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::hint::black_box;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use profile::{Sampling, cpu, heap};

#[global_allocator]
static ALLOCATOR: Sampling<std::alloc::System> = Sampling(std::alloc::System);

/// What `go tool pprof` lists first.
fn top(profile: &[u8], options: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("profile.pb.gz");
    std::fs::write(&path, profile).unwrap();
    let output = Command::new("go")
        .args(["tool", "pprof", "-top", "-cum", "-nodecount=500"])
        .args(options)
        .arg(&path)
        .output()
        .expect("this test needs `go`; install it and run the test again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[inline(never)]
fn spin_here(until: Instant) -> u64 {
    let mut sum = 0_u64;
    while Instant::now() < until {
        for number in 0..10_000_u64 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
    }
    sum
}

/// A profile that names the wrong function sends people to the wrong place.
#[test]
fn cpu_time() {
    let running = cpu::Running::start(Duration::from_secs(10)).unwrap();
    assert!(matches!(
        cpu::Running::start(Duration::from_secs(1)),
        Err(cpu::CpuError::Busy)
    ));
    let (done, finished) = channel();
    std::thread::spawn(move || {
        spin_here(Instant::now() + Duration::from_secs(1));
        done.send(()).unwrap();
    });
    finished.recv().unwrap();
    let text = top(&running.finish(), &[]);
    assert!(text.contains("Type: cpu"), "{text}");
    assert!(text.contains("spin_here"), "{text}");
    assert!(
        !text.contains("signal_hook"),
        "the handler itself is left out\n{text}"
    );
}

#[inline(never)]
fn hold_here(count: usize) -> Vec<Vec<u8>> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(black_box(vec![1; 4096]));
    }
    held
}

#[test]
fn memory() {
    let before = hold_here(10);
    heap::switch_on();
    let held = hold_here(20_000);
    drop(hold_here(20_000));
    drop(before);
    let in_use = top(
        &heap::snapshot(),
        &["-sample_index=inuse_space", "-unit=MB"],
    );
    assert!(in_use.contains("hold_here"), "{in_use}");
    let line = in_use
        .lines()
        .find(|line| line.contains("hold_here"))
        .unwrap();
    let cumulated = line.split_whitespace().nth(3).unwrap();
    let megabytes: f64 = cumulated.trim_end_matches("MB").parse().unwrap();
    assert!(
        (50.0..120.0).contains(&megabytes),
        "80 MB are held\n{in_use}"
    );
    let all = top(
        &heap::snapshot(),
        &["-sample_index=alloc_space", "-unit=MB"],
    );
    let line = all.lines().find(|line| line.contains("hold_here")).unwrap();
    let cumulated = line.split_whitespace().nth(3).unwrap();
    let megabytes: f64 = cumulated.trim_end_matches("MB").parse().unwrap();
    assert!(
        (110.0..220.0).contains(&megabytes),
        "160 MB were allocated\n{all}"
    );
    drop(held);
    let freed = top(
        &heap::snapshot(),
        &["-sample_index=inuse_space", "-unit=MB"],
    );
    let rest = freed.lines().find(|line| line.contains("hold_here"));
    assert!(rest.is_none(), "{freed}");
}
