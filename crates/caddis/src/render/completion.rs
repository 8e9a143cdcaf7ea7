//! Completion scripts: what clap generates, and beyond that the names of environments and users.
//!
//! clap's scripts are static. They are amended here by what a test finds in them, so that a new clap that writes them
//! differently is noticed.

use clap::Command;
use clap_complete::{Shell, generate};

/// Prints the caller's environments, one per line; nothing where there are none or something is wrong.
const NAMES: &str = "caddis list --names 2>/dev/null";

/// The commands whose operands are names of existing environments.
const TAKE_NAMES: [&str; 4] = ["enter", "remove", "ps", "stop"];

/// The script for a shell.
pub fn script(mut command: Command, shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command, "caddis", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => bash(script),
        Shell::Zsh => zsh(&script),
        Shell::Fish => fish(script),
        _ => script,
    }
}

/// In bash, every option's value is a file at first, and operands are nothing.
fn bash(script: String) -> String {
    const FILES: &str = r#"COMPREPLY=($(compgen -f "${cur}"))"#;
    let names = format!(r#"COMPREPLY=($(compgen -W "$({NAMES})" -- "${{cur}}"))"#);
    let users = r#"COMPREPLY=($(compgen -u -- "${cur}"))"#;
    let mut script = script;
    for (option, values) in [
        ("--env", names.as_str()),
        ("-e", &names),
        ("--from", &names),
        ("--user", users),
    ] {
        let case =
            |values: &str| format!("                {option})\n                    {values}\n");
        script = script.replace(&case(FILES), &case(values));
    }
    for command in TAKE_NAMES {
        let section = format!("        caddis__subcmd__{command})\n            opts=\"");
        script = script.replace(&section, &format!("{section}$({NAMES}) "));
    }
    // What is hidden, clap offers here all the same.
    script.replace(" generate\"\n", "\"\n")
}

/// In zsh, a value is completed by the function named after its last colon.
fn zsh(script: &str) -> String {
    const COMPLETE: &str = "_caddis_environments";
    let mut command = "";
    let mut amended = String::with_capacity(script.len() + 512);
    for line in script.split_inclusive('\n') {
        if let Some(name) = line
            .trim_start()
            .strip_prefix('(')
            .and_then(|line| line.strip_suffix(")\n"))
        {
            command = name;
        }
        let operand = line.contains("env -- ") && TAKE_NAMES.contains(&command);
        let option = line.contains(":ENV:_default") || line.contains(":OTHER:_default");
        if operand || option {
            amended.push_str(&line.replace(":_default'", &format!(":{COMPLETE}'")));
        } else {
            amended.push_str(line);
        }
    }
    let function = format!(
        "{COMPLETE}() {{\n    local -a names; names=(${{(f)\"$({NAMES})\"}})\n    \
         _describe -t environments 'environment' names \"$@\"\n}}\n\n"
    );
    // Before the part that runs or registers the script's function.
    match amended.rfind("if [ \"$funcstack[1]\"") {
        Some(at) => amended.insert_str(at, &function),
        None => amended.push_str(&function),
    }
    amended
}

/// In fish, completions add up.
fn fish(mut script: String) -> String {
    for command in TAKE_NAMES {
        script.push_str(&format!(
            "complete -c caddis -n \"__fish_caddis_using_subcommand {command}\" -f -a \"({NAMES})\" -d 'environment'\n"
        ));
    }
    for (command, option) in [
        ("run", "-s e -l env"),
        ("root", "-s e -l env"),
        ("try", "-s e -l env"),
        ("config", "-s e -l env"),
        ("new", "-l from"),
    ] {
        script.push_str(&format!(
            "complete -c caddis -n \"__fish_caddis_using_subcommand {command}\" {option} -r -f -a \"({NAMES})\"\n"
        ));
    }
    script
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn of(shell: Shell) -> String {
        script(Cli::command(), shell)
    }

    #[test]
    fn bash_knows_names_and_users() {
        let script = of(Shell::Bash);
        // -e and --env of run, root, config, diff, status, revert and try; --from of new; the operands of four commands.
        assert_eq!(script.matches(NAMES).count(), 2 * 7 + 1 + 4);
        // run, root, diff, status, doctor, admin list, admin ps, admin stop, admin remove
        assert_eq!(script.matches("compgen -u").count(), 9);
        assert!(
            !script.contains(" generate\""),
            "what is hidden is not offered"
        );
    }

    /// With a `caddis` of our own in the search path, ask bash itself.
    #[test]
    fn bash_completes() {
        let dir = std::env::temp_dir().join(format!("caddis-completion-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("script"), of(Shell::Bash)).unwrap();
        let ask = |words: &str| {
            let program = format!(
                "caddis() {{ printf 'default\\nproject\\n'; }}; . {}; COMP_WORDS=({words}); \
                 COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _caddis caddis \"${{COMP_WORDS[-1]}}\" \
                 \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\"",
                dir.join("script").display()
            );
            let output = std::process::Command::new("bash")
                .args(["-c", &program])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(ask("caddis ent"), "enter");
        assert_eq!(ask("caddis enter p"), "project");
        assert_eq!(ask("caddis remove default p"), "project");
        assert_eq!(ask("caddis run -e d"), "default");
        assert_eq!(ask("caddis new --from ''"), "default project");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn zsh_knows_names() {
        let script = of(Shell::Zsh);
        // As in bash, and for `admin stop` and `admin remove`.
        let completed = script.matches(":_caddis_environments'").count();
        assert_eq!(completed, 2 * 7 + 1 + 4 + 2);
        assert_eq!(script.matches("_caddis_environments() {").count(), 1);
        assert!(script.contains(
            "The new environment'\\''s name\\: up to 64 letters, digits, `.`, `_` and `-`:_default'"
        ));
    }

    #[test]
    fn fish_knows_names() {
        assert_eq!(of(Shell::Fish).matches(NAMES).count(), 4 + 5);
    }
}
