"""The blocked factorisation, objective and gradient of a model.

Other rooms import these of its modules and no others, and name no part of a system that its class
does not document (`tests/test_layers.py`):

- `evaluation`: what one factorisation yields
- `system`: a design in internal units; solutions, modes, covariances, determinants, projections
- `making`: the objective of a model; of a linear one, and its system, by its solver
- `group_effects`: one grouping factor: theta to factors, internal columns to those of the data
- `objective`: criterion and gradient as functions of theta
- `observations`: leverages of single observations, and their weight in the fixed effects
- `deletion`: the model without some of its observations
- `marginal`: covariances of the modes, the fixed effects being estimated too
- `marginal_products`: cross-products with the inverse of the response's covariance
- `least_norm`: least squares without a penalty
- `blocks`: how a model is cut into blocks, and what an evaluation costs
- `search.searchable`: the objective with what optimisers ask for
- `search.refits`: searches for many responses at once
- `generalized.system`: a design with a family in internal units
- `generalized.laplace`: -2 log-likelihood of a generalised model, with its exact gradient
- `generalized.single`: the same of models with one grouping factor, compiled as a whole
- `generalized.joint`: the same with fixed effects of the penalised criterion
- `generalized.second_order`: what Laplace's approximation leaves out, by its own next term
- `generalized.making`: the objective of a generalised model, by what it is called
- `lapack`: the number of threads
- `memory`: what fits into that of this machine
- `compile.interpreter`: whether Python may run the kernels of small models
"""
