//! Work on several objects at the same time, each in a child: pulling starts threads, and a process that creates containers
//! must have none.

use anyhow::{Context, Result};
use hull_compose::progress::{Event, Progress, Status};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::ui::compose::progress::{Child, Said};

type Task<'a> = dyn FnOnce(&mut dyn Progress) -> Result<()> + 'a;

/// A job that tells what it does in events.
pub struct Job<'a> {
    /// By which its own events and its error are about it.
    pub id: String,
    pub work: Box<Task<'a>>,
}

struct Running {
    index: usize,
    child: Child,
    error: Option<String>,
}

/// Does the jobs, at most `limit` at the same time. Returns the error of each that has failed, as a text. Unless
/// `goes_on`, no job is begun after a failure, and those that run are ended.
pub fn run(
    jobs: Vec<Job<'_>>,
    limit: Option<usize>,
    goes_on: &dyn Fn(usize) -> bool,
    progress: &mut dyn Progress,
) -> Result<Vec<Option<String>>> {
    let mut outcomes: Vec<Option<String>> = jobs.iter().map(|_| None).collect();
    let ids: Vec<String> = jobs.iter().map(|job| job.id.clone()).collect();
    let mut waiting = jobs.into_iter().enumerate();
    let mut running: Vec<Running> = Vec::new();
    loop {
        while limit.is_none_or(|limit| running.len() < limit)
            && let Some((index, job)) = waiting.next()
        {
            running.push(Running { index, child: start(job)?, error: None });
        }
        if running.is_empty() {
            return Ok(outcomes);
        }
        let ready = ready(&running)?;
        let mut ended = Vec::new();
        for (one, _) in running.iter_mut().zip(ready).filter(|(_, is_ready)| *is_ready) {
            if one.take(&ids[one.index], progress)? {
                ended.push(one.index);
            }
        }
        for index in ended {
            let Some(position) = running.iter().position(|one| one.index == index) else { continue };
            outcomes[index] = running.remove(position).error;
            if outcomes[index].is_some() && !goes_on(index) {
                // Dropping a child ends it.
                return Ok(outcomes);
            }
        }
    }
}

/// The error travels as an event, so that nothing is printed by the child.
fn start(job: Job<'_>) -> Result<Child> {
    let Job { id, work } = job;
    Child::start(
        |_| 1,
        move |progress| {
            if let Err(error) = work(progress) {
                progress.event(Event::error(id, format!("{error:#}")));
            }
            Ok(())
        },
    )
}

fn ready(running: &[Running]) -> Result<Vec<bool>> {
    let mut fds: Vec<PollFd<'_>> = running.iter().map(|one| PollFd::new(&one.child, PollFlags::IN)).collect();
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context("cannot wait for children"),
    }
    Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}

impl Running {
    /// Passes on what the child has said. Returns true if it has ended.
    fn take(&mut self, id: &str, progress: &mut dyn Progress) -> Result<bool> {
        for said in self.child.read()? {
            match said {
                Said::Output(..) => {}
                Said::Event(event) if event.status == Status::Error && event.id == id => {
                    self.error = Some(event.word);
                }
                Said::Event(event) => progress.event(event),
                Said::Note(text) => progress.note(&text),
                Said::Failed => self.child.let_it_report(),
                Said::Ended(code) => {
                    if code != 0 && self.error.is_none() {
                        self.error = Some("its process ended early".to_owned());
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
