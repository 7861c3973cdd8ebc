# Part of binding.pyx: calls that end early on a signal.
#
# Python runs signal handlers in its main thread, between two of its instructions. A call of the core from the main
# thread runs them about every 50 ms.

cdef unsigned long _main_thread = threading.main_thread().ident
cdef bint _asked = False
cdef object _raised = None  # by a handler, while a call was running


def ask_to_stop(bint asked):
    """Make calls from the main thread end without applying the current step, until reset with False."""
    global _asked
    _asked = asked


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


cdef inline int _poll_from_here() except -1:
    """Before a call of the core: enable polling if this is the main thread."""
    if <unsigned long>PyThread_get_thread_ident() == _main_thread:
        nnc_set_poll_here(_poll)
    else:
        nnc_set_poll_here(NULL)
    return 0


cdef int _raise_signal() except -1:
    """After the call: raise what a handler raised."""
    global _raised
    if _raised is not None:
        error, _raised = _raised, None
        raise error
    return 0


def _find_main_thread():
    """In a forked child the main thread is the one that forked."""
    global _main_thread
    _main_thread = threading.main_thread().ident


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_find_main_thread)
