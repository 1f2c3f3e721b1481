//! The same commands for every engine with docker's command line, and the events that follow from them.

use std::collections::BTreeMap;

use hull_test_support::{Outcome, fixtures};
use serde_json::Value;

/// An engine with docker's command line.
pub struct Engine<'a> {
    pub run: &'a dyn Fn(&[&str]) -> Outcome,
    /// A directory for files.
    pub directory: String,
    /// An empty registry on loopback.
    pub registry: String,
}

/// For each object, its events in order: `die exitCode=0 image=base name=box`.
pub type Told = BTreeMap<String, Vec<String>>;

/// One command for each line. `DIR` and `REG` stand for the engine's directory and registry. Underscores stand for blanks
/// inside a word. A line that begins with `!` is a command that fails.
const COMMANDS: &str = "\
import -c LABEL_from=image -c CMD_[\"sh\"] DIR/base.tar base
tag base other:two
rmi other:two
tag base REG/base:v1
push REG/base:v1
rmi REG/base:v1
pull REG/base:v1
rmi REG/base:v1
volume create data
network create --label n=1 red
create --name box -l own=1 -v data:/d:ro -v /anonymous base sleep 1000
start box
pause box
unpause box
rename box again
update --memory 64m --memory-swap 64m again
exec again true
!exec again sh -c exit_4
top again
diff again
export -o DIR/exported.tar again
commit --pause=false -m note -a me again saved:v1
network connect red again
network disconnect red again
kill -s CONT again
restart -t 0 again
stop -t 0 again
start again
kill again
rm -v again
run --rm --name removed base true
!run --name failed -t base sh -c exit_3
rm failed
run -d --name published --network red -p 127.0.0.1:18080:80 base sleep 1000
rm -f published
run -d --name lone --network none base sleep 1000
stop -t 1 lone
start lone
rm -f lone
run -d --name host --network host --tmpfs /t base sleep 1000
run -d --name joined --network container:host base sleep 1000
rm -f joined host
!run -m 16m --memory-swap 16m --name hungry base sh -c tail_/dev/zero
rm hungry
create --name filled base sleep 1000
cp DIR/file filled:/file
cp filled:/file DIR/copied
rm filled
save -o DIR/saved.tar saved:v1
rmi saved:v1
load -i DIR/saved.tar
rmi saved:v1
create --name pruned base true
container prune -f
network prune -f
network create blue
network rm blue
volume create gone
volume rm gone
image prune -f
system prune -f
run -d --name twice --restart on-failure:1 base sh -c exit_5
wait twice
run -d --name kept base sleep 1000
";

/// Runs the commands. `marker` is the name of a volume, whose event is the last one.
pub fn run(engine: &Engine<'_>) {
    let tar = fixtures::busybox();
    std::fs::copy(&tar, format!("{}/base.tar", engine.directory)).expect("the directory is the test's own");
    std::fs::write(format!("{}/file", engine.directory), "content").expect("the directory is the test's own");
    for line in COMMANDS.lines() {
        let (fails, line) = line.strip_prefix('!').map_or((false, line), |line| (true, line));
        let words = line.replace("DIR", &engine.directory).replace("REG", &engine.registry);
        let words: Vec<String> = words.split(' ').map(|word| word.replace('_', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = (engine.run)(&words);
        assert!(outcome.success() != fails, "{outcome}");
    }
}

/// The events that were emitted for the commands since the engine was started.
pub fn told(engine: &Engine<'_>, is_own: impl Fn(&str) -> bool) -> Told {
    let text = (engine.run)(&["events", "--since", "1h", "--until", "0s", "--format", "{{json .}}"]);
    let mut told = Told::new();
    for line in text.ok().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, id) = (text(&event["Type"]), text(&event["Actor"]["ID"]));
        let attributes = event["Actor"]["Attributes"].as_object().expect("attributes");
        let attribute = |key: &str| attributes.get(key).map(&text).unwrap_or_default();
        let object = match kind.as_str() {
            // An image's id depends on the time at which it was made, and on the engine's JSON.
            "image" => "image".to_owned(),
            "container" if attributes.contains_key("name") => "container ".to_owned() + &attribute("name"),
            "network" => format!("network {}", attribute("name")),
            "volume" if is_anonymous(&id) => "volume".to_owned(),
            _ => format!("{kind} {id}"),
        };
        let shown: Vec<String> = attributes.iter().map(|(key, value)| shown(key, &text(value))).collect();
        // These attributes repeat others.
        let top = ["status", "id", "from"].iter().filter(|key| event.get(**key).is_some());
        let top = top.map(|key| format!("[{key}]")).collect::<String>();
        let said = format!("{} {} {top}", text(&event["Action"]), shown.join(" "));
        let said = said.replace(&engine.registry, "REG").replace(&engine.directory, "DIR");
        if is_own(&object) {
            told.entry(object).or_default().push(said);
        }
    }
    told
}

fn is_anonymous(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `KEY=VALUE`, or only the key if the value differs from run to run.
fn shown(key: &str, value: &str) -> String {
    match key {
        "container" | "execID" | "imageID" | "execDuration" | "reclaimed" => key.to_owned(),
        _ if value.starts_with("sha256:") => format!("{key}=ID"),
        _ => format!("{key}={value}"),
    }
}
