//! `hull build --call outline|targets`: what a Dockerfile offers, in BuildKit's tables and JSON.

use hull_test_support::{Outcome, Scenario};

const DOCKERFILE: &str = "# GO is the version of go\nARG GO=1.22\n\
    # base has the tools\nFROM golang:${GO} AS base\n\n\
    # app is for users\nFROM scratch AS app\n# MODE is how fast\nARG MODE=quick\n\
    RUN --mount=type=secret,id=token,required --mount=type=ssh true\n\
    COPY --from=base /a /\n";

fn call(t: &Scenario, what: &str, args: &[&str]) -> Outcome {
    t.write("context/Dockerfile", DOCKERFILE);
    t.hull(&[&["build", "--call", what], args, &["context"]].concat())
}

#[test]
fn an_outline_is_a_table_of_each_kind() {
    let Some(t) = Scenario::start() else { return };
    let printed = call(&t, "outline", &["--build-arg", "MODE=slow"]);
    assert_eq!(
        printed.ok(),
        "TARGET:      app\n\
         DESCRIPTION: is for users\n\
         \n\
         BUILD ARG   VALUE   DESCRIPTION\n\
         GO          1.22    is the version of go\n\
         MODE        slow    is how fast\n\
         \n\
         SECRET   REQUIRED\n\
         token    true\n\
         \n\
         SSH       REQUIRED\n\
         default   "
    );
    let of_base = call(&t, "outline", &["--target", "base"]);
    assert!(of_base.ok().contains("GO") && !of_base.stdout.contains("MODE"), "{of_base}");
    let no_target = call(&t, "outline", &["--target", "none"]);
    assert!(!no_target.success() && no_target.stderr.contains("none"), "{no_target}");
}

#[test]
fn targets_are_the_stages() {
    let Some(t) = Scenario::start() else { return };
    let printed = call(&t, "targets", &[]);
    assert_eq!(
        printed.ok(),
        "TARGET        DESCRIPTION\n\
         base          has the tools\n\
         app (default) is for users"
    );
    let json = call(&t, "targets,format=json", &[]);
    let json: serde_json::Value = serde_json::from_str(json.ok()).expect("JSON");
    assert_eq!(json["targets"][1]["default"], true);
    assert_eq!(json["targets"][0]["location"]["ranges"][0]["start"]["line"], 4);
    assert!(t.hull(&["images", "-aq"]).ok().is_empty(), "nothing is built");
}

#[test]
fn a_huge_dockerfile_is_read_or_refused_soon() {
    let Some(t) = Scenario::start() else { return };
    let stage = |number: usize| match number {
        0 => "FROM scratch AS s0\n".to_owned(),
        _ => format!("FROM s{} AS s{number}\nRUN x\n", number - 1),
    };
    t.write("context/Dockerfile", (0..10_000).map(stage).collect::<String>());
    let printed = t.hull(&["build", "--call", "targets", "context"]);
    assert_eq!(printed.ok().lines().count(), 10_001);
    assert!(t.hull(&["build", "--call", "outline", "context"]).ok().contains("s9999"));
    t.write("context/Dockerfile", "# x\n".repeat(13 << 20));
    let refused = t.hull(&["build", "--call", "targets", "context"]);
    assert!(!refused.success() && refused.stderr.contains("16777216 bytes"), "{refused}");
}
