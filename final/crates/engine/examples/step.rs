use hull_engine::options::*;
use hull_engine::steps::StepOptions;
use hull_engine::{Engine, Settings};
use hull_image::Digest;
use std::path::PathBuf;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let n: usize = std::env::var("N").map_or(1, |n| n.parse().unwrap());
    let programs = hull_engine::SearchPath::from(std::env::var_os("PATH").unwrap_or_default());
    let engine = Engine::open(Settings {
        data: std::env::var_os("HULL_ROOT").unwrap().into(),
        run: std::env::var_os("HULL_RUNROOT").unwrap().into(),
        cgroup_parent: None,
        programs,
    })
    .unwrap();
    let image = engine.images().resolve(&std::env::var("IMAGE").unwrap_or("busybox".into())).unwrap();
    let mut layers: Vec<PathBuf> = image.layer_dirs.clone();
    let mut chain: Option<Digest> = None;
    for id in &image.config.rootfs.diff_ids {
        chain = Some(Digest::chain(chain.as_ref(), id));
    }
    let store = hull_storage::layers::LayerStore::new(engine.root());
    let network = match std::env::var("NETWORK").as_deref() {
        Ok("none") => NetworkMode::None,
        Ok("host") => NetworkMode::Host,
        _ => NetworkMode::Default,
    };
    let begun = Instant::now();
    for _ in 0..n {
        let step = StepOptions {
            layers: layers.clone(),
            args: args.clone(),
            env: vec![],
            working_dir: std::env::var("CWD").unwrap_or_default(),
            user: String::new(),
            options: CreateOptions { network: network.clone(), ..CreateOptions::default() },
            builder: None,
            ..Default::default()
        };
        let t = Instant::now();
        let finished = engine
            .run_step(step, &mut |stream, bytes| eprint!("{stream:?}: {}", String::from_utf8_lossy(bytes)))
            .unwrap();
        let ran = t.elapsed();
        let code = finished.code();
        let t = Instant::now();
        let packed = finished.pack(None).unwrap();
        let packed_in = t.elapsed();
        let t = Instant::now();
        let c = Digest::chain(chain.as_ref(), &packed.diff_id);
        eprintln!(
            "code {code} diff {} size {} bytes {} ran {ran:?} packed {packed_in:?}",
            packed.diff_id, packed.size, packed.bytes
        );
        packed.layer.publish(&store, c.hex(), packed.bytes).unwrap();
        layers.push(store.path(c.hex()));
        chain = Some(c);
        eprintln!("published {:?} {}", t.elapsed(), layers.last().unwrap().display());
    }
    eprintln!("all {:?}", begun.elapsed());
}
