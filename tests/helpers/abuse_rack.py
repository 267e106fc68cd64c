"""What a rack file needs beside `purpose: abuse`: the interlocks, on the inputs of io-01."""

PROOF = "proof_test: {by: Ada, date: 2026-05-17, evidence: SAT-12}"
INTERLOCKS = f"""\
interlocks:
  - {{id: door, input: io-01/DI0, active: high, scope: bay, at: B01, action: off, {PROOF}}}
  - {{id: gas, input: io-01/DI1, active: high, scope: rack, action: off-latched, {PROOF}}}
  - {{id: smoke, input: io-01/DI2, active: high, scope: rack, action: off-latched, {PROOF}}}
  - {{id: limiter, input: io-01/DI3, active: high, scope: bay, at: B01, action: off, {PROOF}}}
"""
