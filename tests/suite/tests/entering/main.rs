//! What a container can do to hull when hull looks at its files or enters it: nothing that it could not do to itself.

mod files;

mod watched;
