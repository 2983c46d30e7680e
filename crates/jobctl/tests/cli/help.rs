//! Help texts and completions.

use super::program::run;

#[test]
fn every_help_text_is_as_agreed() {
    let commands: [&[&str]; 35] = [
        &[],
        &["plan"],
        &["lint"],
        &["submit"],
        &["list"],
        &["list", "jobs"],
        &["show"],
        &["watch"],
        &["wait"],
        &["pause"],
        &["resume"],
        &["stop"],
        &["cancel"],
        &["hold"],
        &["retry"],
        &["prioritize"],
        &["limit"],
        &["deadline"],
        &["drain"],
        &["release"],
        &["delete"],
        &["gc"],
        &["logs"],
        &["report"],
        &["checkpoint"],
        &["checkpoint", "verify"],
        &["data"],
        &["data", "import"],
        &["data", "inspect"],
        &["data", "verify"],
        &["data", "split"],
        &["data", "push"],
        &["grid", "schema"],
        &["grid", "network"],
        &["completions"],
    ];
    let mut all = String::new();
    for command in commands {
        let printed = run(&[command, &["--help"]].concat());
        assert_eq!((printed.code, printed.err.as_str()), (0, ""), "{command:?}");
        let words = [&["jobctl"], command, &["--help"]].concat();
        all.push_str(&format!("$ {}\n{}\n", words.join(" "), printed.out));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn completions_know_the_commands_in_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let printed = run(&["completions", shell]);
        assert_eq!(printed.code, 0);
        for word in ["plan", "submit", "watch", "import"] {
            assert!(printed.out.contains(word), "{word} is missing for {shell}");
        }
    }
}

#[test]
fn a_mistyped_command_ends_with_code_2_and_a_suggestion() {
    let printed = run(&["sbmit", "x.yaml"]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("submit"), "{}", printed.err);
}

#[test]
fn a_usage_error_in_json_mode_is_json() {
    let printed = run(&["list", "jbos", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&printed.err).unwrap();
    assert_eq!(printed.code, 2);
    assert_eq!(error["error"]["code"], "usage");
    assert_eq!(error["error"]["message"], "unrecognized subcommand 'jbos'");
}
