use std::collections::BTreeMap;

use hull_image::platform::Platform;

use super::stages::Origin;
use super::{Base, Globals, Stages};
use crate::Result;
use crate::dockerfile::{Dockerfile, parse};

fn file(text: &str) -> Dockerfile {
    parse("Dockerfile", text.as_bytes()).unwrap()
}

fn amd64() -> Platform {
    Platform::parse("linux/amd64").unwrap()
}

fn plan(text: &str, args: &[(&str, &str)], target: Option<&str>) -> Result<Stages> {
    let file = file(text);
    let given: BTreeMap<String, Option<String>> =
        args.iter().map(|(name, value)| ((*name).into(), Some((*value).into()))).collect();
    let globals = Globals::new(&file, &given, &amd64(), target.unwrap_or_default())?;
    Stages::of(&file, &globals, &|name| name == "context", target, &amd64())
}

fn no_context(_: &str) -> bool {
    false
}

#[test]
fn only_the_stages_that_the_target_needs_are_built() {
    let text = "FROM a AS one\nFROM b AS unused\nRUN true\nFROM c AS two\nCOPY --from=one / /\nFROM two AS three\n\
                RUN --mount=from=four,target=/x true\nFROM d AS four\nFROM three\nCOPY --from=4 / /";
    let needed =
        |target| plan(text, &[], target).unwrap().needed(&no_context).into_iter().collect::<Vec<_>>();
    assert_eq!(needed(None), [0, 2, 3, 4, 5]);
    assert_eq!(needed(Some("two")), [0, 2]);
    assert_eq!(needed(Some("TWO")), [0, 2]);
    assert_eq!(needed(Some("1")), [1]);
}

#[test]
fn a_mount_that_is_valid_after_expansion_needs_its_stage() {
    let text = "FROM a AS one\nFROM b\nARG U=1\nRUN --mount=type=cache,target=/x,uid=$U,from=one true";
    let needed = plan(text, &[], None).unwrap().needed(&no_context);
    assert_eq!(needed.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_name_leads_to_the_last_stage_before() {
    let stages =
        plan("FROM a AS x\nFROM x AS x\nFROM x\nFROM scratch\nFROM context\nFROM y", &[], None).unwrap();
    let bases: Vec<&Base> = stages.stages.iter().map(|stage| &stage.base).collect();
    let image = |name: &str| Base::Image(name.into());
    let expected = [
        image("a"),
        Base::Stage(0),
        Base::Stage(1),
        Base::Scratch,
        Base::Context("context".into()),
        image("y"),
    ];
    assert_eq!(bases, expected.iter().collect::<Vec<_>>());
}

#[test]
fn from_leads_to_an_earlier_stage_a_context_or_an_image() {
    let stages = plan("FROM a AS one\nFROM b AS two\nFROM c AS three", &[], None).unwrap();
    let is_context = |name: &str| name == "context";
    let origin = |from: &str| stages.origin(1, from, &is_context);
    assert_eq!(origin("one").unwrap(), Origin::Stage(0));
    assert_eq!(origin("0").unwrap(), Origin::Stage(0));
    assert_eq!(origin("context").unwrap(), Origin::Context("context".into()));
    assert_eq!(origin("busybox").unwrap(), Origin::Image("busybox".into()));
    for (from, why) in [
        ("two", "itself"),
        ("1", "itself"),
        ("three", "later"),
        ("2", "later"),
        ("9", "no stage"),
        ("$IMAGE", "no variables"),
    ] {
        let error = origin(from).unwrap_err().to_string();
        assert!(error.contains(why), "{from}: {error}");
    }
}

#[test]
fn arguments_before_the_first_from_are_for_the_lines_from() {
    let text =
        "ARG VERSION=1\nARG IMAGE=base:$VERSION\nFROM --platform=$BUILDPLATFORM $IMAGE\nFROM ${TARGETARCH}/x";
    let names = |args: &[(&str, &str)]| {
        let stages = plan(text, args, None).unwrap();
        stages.stages.iter().map(|stage| stage.shown_base.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["base:1", "amd64/x"]);
    assert_eq!(names(&[("VERSION", "2")]), ["base:2", "amd64/x"]);
    assert_eq!(names(&[("IMAGE", "y"), ("TARGETARCH", "z")]), ["y", "z/x"]);
    let error = plan("FROM $NOTHING", &[], None).unwrap_err().to_string();
    assert!(error.starts_with("Dockerfile:1: ") && error.contains("$NOTHING"), "{error}");
}

#[test]
fn arguments_of_the_command_line_that_no_arg_declares_are_named() {
    let file = file("ARG A\nFROM x\nARG B=1");
    let given = ["A", "B", "C", "HTTP_PROXY", "TARGETARCH", "BUILDKIT_INLINE_CACHE", "BUILDKIT_X"];
    let given = given.iter().map(|name| ((*name).into(), Some("x".into()))).collect();
    let globals = Globals::new(&file, &given, &amd64(), "").unwrap();
    assert_eq!(globals.unused(&file).collect::<Vec<_>>(), ["BUILDKIT_X", "C"]);
    assert_eq!(globals.inherited("A"), Some(&"x".to_owned()));
    assert_eq!(globals.inherited("BUILDOS"), Some(&"linux".to_owned()));
    assert_eq!(globals.inherited("TARGETSTAGE"), Some(&"default".to_owned()));
}

#[test]
fn a_missing_target_names_those_that_there_are() {
    let error = plan("FROM a AS one\nFROM b AS two", &[], Some("thre")).unwrap_err().to_string();
    assert!(error.contains("stages: one, two"), "{error}");
}

#[test]
fn triggers_of_the_base_come_first() {
    let mut stages = plan("FROM a\nCOPY x y", &[], None).unwrap();
    stages.stages[0].set_triggers(&["COPY --from=other a b".into(), "ENV A=1".into()]).unwrap();
    let names: Vec<&str> = stages.stages[0].all().map(|one| one.keyword.as_str()).collect();
    assert_eq!(names, ["COPY", "ENV", "COPY"]);
    assert_eq!(
        stages.origins(0, &no_context).into_iter().collect::<Vec<_>>(),
        [Origin::Image("other".into())]
    );
    assert!(stages.stages[0].set_triggers(&["FROM b".into()]).is_err());
}
