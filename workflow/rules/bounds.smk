# Lower bounds per cell, whatever attacks it.


use rule train as bounds with:
    input:
        **inputs("train", "network"),
        **inputs("pixels", "pixels"),
    output:
        **outputs("bounds"),
    log:
        log_of("bounds"),
    resources:
        **resources("bounds"),
    params:
        **params("bounds"),
