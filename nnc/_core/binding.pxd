# csrc/nnc.h as binding.pyx calls it; the header is the manual.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


cdef extern from "nnc.h" nogil:
    ctypedef bint c_bool "bool"
    enum: NNC_MESSAGE
    enum: NNC_MAX_SLOTS
    enum: NNC_MAX_VALUES
    enum: NNC_GRADIENT
    enum: NNC_WEIGHT
    ctypedef enum nnc_status:
        NNC_OK
        NNC_NO_MEMORY
        NNC_INVALID
        NNC_NOT_FINITE
        NNC_BAD_ROW
        NNC_STOPPED
    ctypedef struct nnc_setting:
        const char *name
        double values[NNC_MAX_VALUES]
        size_t n_values
        const char *word
    ctypedef struct nnc_spec:
        const char *name
        size_t n_settings
        const nnc_setting *settings
    ctypedef struct nnc_plan_spec:
        size_t n_inputs, n_layers
        const nnc_spec *layers
        const nnc_spec *loss
        size_t n_metrics
        const nnc_spec *metrics
        const nnc_spec *optimizer
        size_t batch_size
        uint64_t seed
        const char *precision
    ctypedef struct nnc_plan:
        pass
    ctypedef struct nnc_parameter:
        const char *name
        size_t n_axes
        size_t shape[4]
        c_bool trainable
    ctypedef struct nnc_data:
        const void *x
        c_bool x_is_u8
        ptrdiff_t x_stride
        const int32_t *ids
        const float *rows
        const float *weights
        size_t n
    ctypedef struct nnc_sums:
        size_t steps, rows
        double loss
        double *metrics
        float *outputs
    ctypedef struct nnc_schedule:
        const int64_t *order
        size_t start, stop, batch_size
        const float *learning_rates
        size_t n_steps
        uint64_t epoch, step
        double budget
        double *seconds
    enum nnc_bad_value:
        NNC_BAD_ENTRY
        NNC_BAD_ID
        NNC_BAD_TARGET
        NNC_BAD_WEIGHT
    ctypedef struct nnc_bad_row:
        nnc_bad_value of
        size_t row
        int64_t integer
        float number
    ctypedef struct nnc_patience:
        double best, tolerance, count, patience
    ctypedef struct nnc_epochs:
        size_t n, n_steps, batch_size
        const int64_t *orders
        size_t n_rows
        const float *learning_rates
        uint64_t epoch, step
        double budget
        const nnc_data *held_out
        nnc_patience *patience
        double *sums
        size_t done, steps_of_next
    ctypedef struct nnc_matrix:
        const float *data
        size_t rows, cols, rs, cs
    ctypedef struct nnc_weights:
        size_t n
        float *w
        const float *g
        float *slots[3]
    ctypedef struct nnc_optimizer:
        pass

    nnc_status nnc_choose_isa(const char *name, char *message)
    const char *nnc_isa_name()
    int nnc_isa_count()
    const char *nnc_isa_available(int index)
    int nnc_isa_tile_rows()
    const char *nnc_bf16_name(char *message)
    nnc_status nnc_choose_bf16(const char *name, char *message)
    struct nnc_tile_counts:
        uint64_t loads, stores, products, l1_lines, l2_lines
    nnc_tile_counts nnc_emulated_tiles()
    int nnc_threads()
    void nnc_set_threads(int n)
    void nnc_use_all_threads(bint all)
    int nnc_set_threads_here(int n)
    const char *nnc_threads_source()
    void nnc_set_poll_here(c_bool (*poll)() noexcept nogil)
    c_bool nnc_has_openmp()
    const char *nnc_compiler()
    int nnc_activation_id(const char *name)
    c_bool nnc_activation_keeps_d(int id)
    nnc_status nnc_plan_create(nnc_plan **plan, const nnc_plan_spec *spec, char *message)
    void nnc_plan_free(nnc_plan *plan)
    size_t nnc_plan_outputs(const nnc_plan *plan)
    size_t nnc_plan_slots(const nnc_plan *plan)
    size_t nnc_plan_bytes(const nnc_plan *plan)
    size_t nnc_plan_parameters(const nnc_plan *plan)
    nnc_parameter nnc_plan_parameter(const nnc_plan *plan, size_t i)
    void nnc_plan_read(const nnc_plan *plan, size_t i, int what, float *values)
    void nnc_plan_read_part(const nnc_plan *plan, size_t i, int what, size_t first, size_t n, float *values)
    void nnc_plan_write(nnc_plan *plan, size_t i, int what, const float *values)
    nnc_bad_row nnc_plan_bad_row(const nnc_plan *plan)
    nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums)
    nnc_status nnc_plan_train_epochs(nnc_plan *plan, const nnc_data *data, nnc_epochs *epochs)
    nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums)
    nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs)
    nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, c_bool training, uint64_t epoch, uint64_t step,
                                  double *loss)
    nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, c_bool training, uint64_t epoch,
                                     uint64_t step, float *outputs)
    nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate,
                                      uint64_t step)
    nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs)
    double nnc_plan_penalty(nnc_plan *plan)
    nnc_status nnc_gemm(const nnc_matrix *a, const nnc_matrix *b, const float *init, float *c, size_t ldc)
    void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha)
    nnc_status nnc_activation_backward(int id, size_t M, size_t N, const float *z, const float *a, const float *da,
                                       float *dz, float alpha)
    nnc_status nnc_loss(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value,
                        float *da, char *message)
    nnc_status nnc_metric(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value,
                          char *message)
    nnc_status nnc_optimizer_create(nnc_optimizer **optimizer, const nnc_spec *spec, char *message)
    void nnc_optimizer_free(nnc_optimizer *optimizer)
    size_t nnc_optimizer_slots(const nnc_optimizer *optimizer)
    void nnc_optimizer_update(const nnc_optimizer *optimizer, const nnc_weights *weights, float learning_rate,
                              uint64_t step)
    void nnc_column_sums(size_t M, size_t N, const float *dz, float *db)
    c_bool nnc_elementary(const char *name, size_t n, const float *x, float *y)
