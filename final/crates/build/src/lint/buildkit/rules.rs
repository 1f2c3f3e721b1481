//! The table of BuildKit's checks. Source: <https://docs.docker.com/reference/build-checks/>.

use crate::lint::{Rule, Severity};

macro_rules! page {
    ($name:literal) => {
        concat!("https://docs.docker.com/go/dockerfile/rule/", $name, "/")
    };
}

macro_rules! rules {
    ($($name:ident $experimental:literal $id:literal $page:expr; $description:literal)*) => {
        $(pub(super) static $name: Rule = Rule {
            id: $id,
            description: $description,
            url: $page,
            severity: Severity::Warning,
            experimental: $experimental,
        };)*
        /// All of them, by name.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    CONSISTENT_INSTRUCTION_CASING false "ConsistentInstructionCasing" page!("consistent-instruction-casing");
        "All commands within the Dockerfile should use the same casing (either upper or lower)"
    COPY_IGNORED_FILE true "CopyIgnoredFile" page!("copy-ignored-file");
        "Attempting to Copy file that is excluded by .dockerignore"
    DUPLICATE_STAGE_NAME false "DuplicateStageName" page!("duplicate-stage-name");
        "Stage names should be unique"
    EXPOSE_INVALID_FORMAT false "ExposeInvalidFormat" page!("expose-invalid-format");
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release"
    EXPOSE_PROTO_CASING false "ExposeProtoCasing" page!("expose-proto-casing");
        "Protocol in EXPOSE instruction should be lowercase"
    FROM_AS_CASING false "FromAsCasing" page!("from-as-casing");
        "The 'as' keyword should match the case of the 'from' keyword"
    FROM_PLATFORM_CONSTANT false "FromPlatformFlagConstDisallowed" page!("from-platform-flag-const-disallowed");
        "FROM --platform flag should not use a constant value"
    INVALID_BASE_IMAGE_PLATFORM false "InvalidBaseImagePlatform" "";
        "Base image platform does not match expected target platform"
    INVALID_DEFAULT_ARG_IN_FROM false "InvalidDefaultArgInFrom" page!("invalid-default-arg-in-from");
        "Default value for global ARG results in an empty or invalid base image name"
    INVALID_DEFINITION_DESCRIPTION true "InvalidDefinitionDescription" page!("invalid-definition-description");
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment."
    JSON_ARGS_RECOMMENDED false "JSONArgsRecommended" page!("json-args-recommended");
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"
    LEGACY_KEY_VALUE_FORMAT false "LegacyKeyValueFormat" page!("legacy-key-value-format");
        "Legacy key/value format with whitespace separator should not be used"
    MAINTAINER_DEPRECATED false "MaintainerDeprecated" page!("maintainer-deprecated");
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author"
    MULTIPLE_INSTRUCTIONS false "MultipleInstructionsDisallowed" page!("multiple-instructions-disallowed");
        "Multiple instructions of the same type should not be used in the same stage"
    NO_EMPTY_CONTINUATION false "NoEmptyContinuation" page!("no-empty-continuation");
        "Empty continuation lines will become errors in a future release"
    REDUNDANT_TARGET_PLATFORM false "RedundantTargetPlatform" page!("redundant-target-platform");
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
    RESERVED_STAGE_NAME false "ReservedStageName" page!("reserved-stage-name");
        "Reserved words should not be used as stage names"
    SECRETS_USED false "SecretsUsedInArgOrEnv" page!("secrets-used-in-arg-or-env");
        "Sensitive data should not be used in the ARG or ENV commands"
    STAGE_NAME_CASING false "StageNameCasing" page!("stage-name-casing");
        "Stage names should be lowercase"
    UNDEFINED_ARG_IN_FROM false "UndefinedArgInFrom" page!("undefined-arg-in-from");
        "FROM command must use declared ARGs"
    UNDEFINED_VAR false "UndefinedVar" page!("undefined-var");
        "Variables should be defined before their use"
    WORKDIR_RELATIVE_PATH false "WorkdirRelativePath" page!("workdir-relative-path");
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes"
}
