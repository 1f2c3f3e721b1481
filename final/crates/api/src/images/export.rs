//! `GET /images/{name}/get` and `GET /images/get`.

use hull_image::archive::{SaveCompression, SaveFormat};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

pub fn get_one(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let names = vec![exchange.parameter("name").to_owned()];
    get(api, exchange, &names)
}

pub fn get_many(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let names: Vec<String> =
        exchange.query().all("names").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    get(api, exchange, &names)
}

fn get(api: &Api, exchange: &mut Exchange<'_>, names: &[String]) -> Result<()> {
    let wanted = super::load::platform(exchange)?;
    for name in names {
        let missing = |_| Failure::not_found(format!("No such image: {name}"));
        let details = api.engine.images().inspect(name).map_err(missing)?;
        if let Some(wanted) =
            wanted.as_ref().filter(|wanted| wanted.suits(&details.config.platform()).is_none())
        {
            return Err(Failure::not_found(format!("no suitable export target found for platform {wanted}")));
        }
    }
    exchange.in_child(|exchange| {
        let mut stream = exchange.stream(200, "application/x-tar")?;
        api.engine.save_images(names, &mut stream, SaveFormat::DockerArchive, SaveCompression::None)?;
        stream.finish()
    })
}
