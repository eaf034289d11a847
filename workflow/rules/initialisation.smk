# Fresh networks, never trained: one job per (experiment, network) for all sizes and seeds.


use rule train as initialisation with:
    input:
        unpack(fresh_inputs),
    output:
        **outputs("initialisation"),
    log:
        log_of("initialisation"),
    group:
        "initialisation"
    resources:
        **resources("initialisation"),
    params:
        **params("initialisation"),
