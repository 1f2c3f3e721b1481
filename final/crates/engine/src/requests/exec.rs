//! A command in a running container.

use hull_docker::wire::exec::ExecRequest;

use super::non_empty;
use crate::records::options::ExecOptions;

impl From<ExecRequest> for ExecOptions {
    fn from(request: ExecRequest) -> Self {
        Self {
            command: request.cmd,
            // A bare name is a variable that the caller does not have.
            env: request.env.into_iter().filter(|entry| entry.contains('=')).collect(),
            working_dir: non_empty(request.working_dir),
            user: non_empty(request.user),
            tty: request.tty,
            interactive: request.attach_stdin,
            detach: !(request.attach_stdout || request.attach_stderr),
            privileged: request.privileged,
            size: request.console_size.map(|[rows, columns]| (rows, columns)),
        }
    }
}
