# What makes one result wait for the job that makes it together with others.


rule ticket:
    input:
        ticket_inputs,
    output:
        temp(touch(ticket("{stage}", "{item}"))),
    wildcard_constraints:
        item="dataset=.+",
    localrule: True
