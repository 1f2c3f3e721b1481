/// Calls that are refused with all arguments. Some of them also need a capability that the program
/// does not have. The filter is a second protection: it still works if a bug gives the capability
/// back, or if the user keeps the capability (`--keep`).
const REFUSED: [i64; 45] = [
    // Mounts and namespaces: the container already has its own.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // These calls open a file by its number on the disk, even outside the root. They were a way out
    // of docker in 2014.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Changes to the kernel: its modules, another kernel, a restart, programs in the kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    // Large and recent parts of the kernel, in which many bugs were found.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // Inherited keys, the time of day, swap, quotas, accounting, the kernel's log: no namespace
    // separates these.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_syslog,
    // Access to the memory of other processes.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
];
