"""System calls that a step may use: an allow list, with three limits on what it may ask of them.

A job has no capabilities and can gain none, so most of what is left out fails anyway; refusing it
outright closes what a kernel fault would open, and what a newer kernel brings. Both engines use
this list: Docker's own lets a step make files that run as their owner.
"""

from __future__ import annotations

from typing import Any

EPERM = 1
ENOSYS = 38
NAMESPACES = sum({1 << 7, 1 << 17, *(1 << bit for bit in range(25, 31))})
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of clone(2)."""
SET_ID = 0o6000
"""S_ISUID and S_ISGID: a program of root's in the results of a run would run as root."""
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: a C library asks the last one for addresses."""

# Of the tables of x86-64 and i386 in Linux 6.1, without what sets up the machine, looks into other
# processes, mounts, or opens files by other means than their names.
ALLOWED = """
    _llseek _newselect accept accept4 access alarm arch_prctl bind brk capget capset chdir chown
    chown32 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 close close_range connect copy_file_range dup dup2 dup3 epoll_create
    epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat
    exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchown fchown32
    fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr
    fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_time64
    futex_waitv futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents
    getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid
    gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64
    io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
    listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise mbind membarrier
    memfd_create mincore mkdir mkdirat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr
    mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep
    newfstatat nice oldfstat oldlstat oldolduname oldstat olduname pause personality pidfd_open
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
    prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64
    pwritev pwritev2 read readahead readdir readlink readlinkat readv recvfrom recvmmsg
    recvmmsg_time64 recvmsg remap_file_pages removexattr rename renameat renameat2
    restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
    sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget
    semop semtimedop semtimedop_time64 sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy
    set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32
    setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32
    setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt
    setuid setuid32 setxattr sgetmask shmat shmctl shmdt shmget shutdown sigaction sigaltstack
    signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend socketpair splice
    ssetmask stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs
    sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
    ugetrlimit umask uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork
    vmsplice wait4 waitid waitpid write writev
""".split()  # noqa: SIM905 - four hundred lines otherwise

MODE_AT = {
    "chmod": 1,
    "creat": 1,
    "fchmod": 1,
    "fchmodat": 2,
    "mknod": 1,
    "mknodat": 2,
    "open": 2,
    "openat": 3,
}
"""Which argument of a call is the mode of a file."""

CREATES = 0o20000100
"""O_CREAT and O_TMPFILE: without them nobody sets the mode, which is then whatever was there."""
FLAGS_AT = {"open": 1, "openat": 2}

# What it asks for lies in memory, out of a filter's reach; programs fall back to the older call.
FALL_BACK = ["clone3", "fchmodat2", "openat2"]


def _without(call: str, argument: int, bits: int) -> dict[str, Any]:
    """Return the rule that allows a call where an argument has none of some bits."""
    condition = {"index": argument, "value": bits, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": [call], "action": "SCMP_ACT_ALLOW", "args": [condition]}


def _family(number: int) -> dict[str, Any]:
    condition = {"index": 0, "value": number, "op": "SCMP_CMP_EQ"}
    return {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [condition]}


SECCOMP: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": EPERM,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "syscalls": [
        {"names": ALLOWED, "action": "SCMP_ACT_ALLOW"},
        {"names": FALL_BACK, "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
        _without("clone", 0, NAMESPACES),
        *(_without(call, argument, SET_ID) for call, argument in MODE_AT.items()),
        *(_without(call, argument, CREATES) for call, argument in FLAGS_AT.items()),
        *map(_family, FAMILIES),
    ],
}

OWN_SECCOMP: dict[str, Any] = {**SECCOMP, "architectures": []}
"""The same for programs of this machine's own architecture alone: half as long to compile."""
