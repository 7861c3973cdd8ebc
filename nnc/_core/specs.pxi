# Part of binding.pyx: conversion of the dicts that describe layers, losses, metrics and optimizers for the core.


cdef class _Spec:
    """A dict as an nnc_spec: `name` is the value of its key `key`, the rest are settings.

    None is left out; a list of names is passed to the core as its length.
    """

    cdef nnc_spec spec
    cdef nnc_setting *settings
    cdef object kept  # what the pointers point into

    def __dealloc__(self):
        free(self.settings)

    @staticmethod
    cdef _Spec of(dict row, str key):
        cdef _Spec self = _Spec.__new__(_Spec)
        cdef size_t n = 0
        self.settings = <nnc_setting *>calloc(len(row) + 1, sizeof(nnc_setting))
        if self.settings is NULL:
            raise MemoryError("no memory for a specification")
        self.kept = []
        for name, value in row.items():
            if name == key:
                self.spec.name = self.keep(value)
            elif value is not None:
                self.set(&self.settings[n], name, value)
                n += 1
        if self.spec.name is NULL:
            raise ValueError(f"{key!r} is missing in {row}")
        self.spec.n_settings, self.spec.settings = n, self.settings
        return self

    cdef const char *keep(self, text) except NULL:
        encoded = text.encode()
        self.kept.append(encoded)
        return encoded

    cdef int set(self, nnc_setting *setting, name, value) except -1:
        setting.name = self.keep(name)
        if isinstance(value, str):
            setting.word = self.keep(value)
        elif isinstance(value, (tuple, list)):
            if all([isinstance(item, str) for item in value]):
                setting.values[0] = len(value)
            elif len(value) > NNC_MAX_VALUES:
                raise ValueError(f"{name} must have at most {NNC_MAX_VALUES} values, got {value}")
            else:
                setting.n_values = len(value)
                for i, item in enumerate(value):
                    setting.values[i] = item
        else:
            setting.n_values, setting.values[0] = 1, value
        return 0


cdef class _Specs:
    """An array of specifications."""

    cdef nnc_spec *rows
    cdef object kept

    def __dealloc__(self):
        free(self.rows)

    @staticmethod
    cdef _Specs of(rows, str key):
        cdef _Specs self = _Specs.__new__(_Specs)
        cdef _Spec spec
        self.rows = <nnc_spec *>calloc(len(rows) + 1, sizeof(nnc_spec))
        if self.rows is NULL:
            raise MemoryError("no memory for the specifications")
        self.kept = [_Spec.of(row, key) for row in rows]
        for i in range(len(rows)):
            spec = self.kept[i]
            self.rows[i] = spec.spec
        return self


cdef int _raise(nnc_status status, what) except -1:
    if status == NNC_NO_MEMORY:
        raise MemoryError(what)
    if status == NNC_INVALID:
        raise ValueError(what)
    return 0


cdef int _activation_id(name) except -1:
    encoded = name.encode()
    cdef int found = nnc_activation_id(encoded)
    if found < 0:
        raise ValueError(f"unknown activation {name!r}")
    return found
