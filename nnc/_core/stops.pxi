# Part of binding.pyx: calls that end early, on a signal or because another thread asks for it.
#
# Python runs signal handlers in its main thread, between two of its instructions. A call of the core from the main
# thread runs them about every 50 ms; a call from another thread looks as often whether it is to stop.

cdef unsigned long _main_thread = threading.main_thread().ident
cdef bint _asked = False
cdef object _raised = None  # by a handler, while a call was running in the main thread
cdef set _stopped = set()  # identifiers of threads whose calls are to stop
cdef bint _some_stopped = False


def ask_to_stop(bint asked):
    """Make calls from the main thread end without applying the current step, until reset with False."""
    global _asked
    _asked = asked


def stop_thread(unsigned long thread, bint stopped):
    """Make calls from a thread other than the main one end without applying the current step, until reset with False.

    Calls that have made no step raise KeyboardInterrupt. Reset it once the thread has ended: identifiers are reused.
    """
    global _some_stopped
    if stopped:
        _stopped.add(thread)
    else:
        _stopped.discard(thread)
    _some_stopped = bool(_stopped)


cdef c_bool _poll() noexcept with gil:
    global _raised
    if _asked:
        return True
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        _raised = error
        return True
    return _asked


cdef c_bool _is_stopped() noexcept with gil:
    return <unsigned long>PyThread_get_thread_ident() in _stopped


cdef c_bool _poll_elsewhere() noexcept nogil:
    return _some_stopped and _is_stopped()


cdef inline bint _in_main_thread():
    return <unsigned long>PyThread_get_thread_ident() == _main_thread


cdef inline int _poll_from_here() except -1:
    """Before a call of the core: let it be stopped."""
    if _in_main_thread():
        nnc_set_poll_here(_poll)
    else:
        nnc_set_poll_here(_poll_elsewhere)
    return 0


cdef int _raise_signal() except -1:
    """After the call: raise what a handler raised."""
    global _raised
    if _in_main_thread():
        if _raised is not None:
            error, _raised = _raised, None
            raise error
    elif _poll_elsewhere():
        raise KeyboardInterrupt("this thread's calls were asked to stop")
    return 0


def raise_signal():
    """Raise what a signal handler raised during a call that had made steps, after these have been counted."""
    _raise_signal()


def _find_main_thread():
    """In a forked child the main thread is the one that forked."""
    global _main_thread, _some_stopped
    _main_thread = threading.main_thread().ident
    _stopped.clear()
    _some_stopped = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_find_main_thread)
