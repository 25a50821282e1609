# Generalised models by lme4's glmer or by glmmTMB, without what comes after the optimum. Speaks with
# the runner as session.py does. Arguments: program, formula, CSV file, names of the factors
# separated by commas, family, link, points of quadrature.

own <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
# R writes spaces of a path as "~+~".
source(file.path(dirname(gsub("~+~", " ", own, fixed = TRUE)), "session.R"))

arguments <- commandArgs(TRUE)
program <- arguments[1]
if (!suppressMessages(suppressWarnings(require(program, character.only = TRUE, quietly = TRUE)))) {
  reply(absent = paste("R has no package", program))
  quit(save = "no")
}

f <- as.formula(arguments[2])
factors <- strsplit(arguments[4], ",")[[1]]
d <- read.csv(
  arguments[3], colClasses = setNames(rep("factor", length(factors)), factors),
  stringsAsFactors = TRUE
)
family <- switch(arguments[5],
  nbinom2 = glmmTMB::nbinom2(link = arguments[6]),
  get(arguments[5])(link = arguments[6])
)
points <- as.integer(arguments[7])

# The lower triangle by columns of a factor of each covariance; zeros in case of need.
factor_of <- function(v) {
  e <- eigen(as.matrix(v), symmetric = TRUE)
  root <- qr.R(qr(t(e$vectors %*% diag(sqrt(pmax(e$values, 0)), nrow(v)))))
  l <- t(root)
  l <- l %*% diag(ifelse(diag(l) < 0, -1, 1), nrow(l))
  l[lower.tri(l, diag = TRUE)]
}

tell <- function(m) {
  if (program == "lme4") {
    covariances <- VarCorr(m)
    fixed <- fixef(m)
    evaluations <- m@optinfo$feval
    size <- NA_real_
  } else {
    covariances <- VarCorr(m)$cond
    fixed <- fixef(m)$cond
    evaluations <- m$fit$evaluations[["function"]]
    size <- if (family$family == "nbinom2") sigma(m) else NA_real_
  }
  theta <- lapply(covariances, factor_of)
  theta <- unlist(lapply(names(theta), function(group) {
    setNames(theta[[group]], paste(group, seq_along(theta[[group]])))
  }))
  list(
    objective = -2 * as.numeric(logLik(m)), evaluations = evaluations, theta = theta,
    fixed = setNames(fixed, seq_along(fixed)), size = size
  )
}

whole <- list(
  lme4 = function() {
    glmer(f, d, family = family, nAGQ = points, control = glmerControl(calc.derivs = FALSE))
  },
  glmmTMB = function() glmmTMB(f, d, family = family, se = FALSE)
)[[program]]

# A function that goes from a built model to the optimum.
built <- list(
  lme4 = function() {
    control <- glmerControl(calc.derivs = FALSE)
    parsed <- glFormula(f, d, family = family, control = control)
    deviance <- do.call(mkGlmerDevfun, c(parsed, list(control = control)))
    function() {
      optimizeGlmer(deviance, optimizer = control$optimizer[[1]], calc.derivs = FALSE)
      second <- updateGlmerDevfun(deviance, parsed$reTrms, nAGQ = points)
      optimizeGlmer(
        second, optimizer = control$optimizer[[2]], stage = 2L, nAGQ = points, calc.derivs = FALSE
      )
    }
  },
  glmmTMB = function() {
    parsed <- glmmTMB(f, d, family = family, se = FALSE, doFit = FALSE)
    function() fitTMB(parsed)
  }
)[[program]]

total <- function(count) {
  gc(FALSE)
  start <- now()
  began <- spent()
  for (i in seq_len(count)) m <- suppressWarnings(whole())
  seconds <- (now() - start) / count
  cpu <- (spent() - began) / count
  do.call(reply, c(list(seconds = seconds, cpu = cpu), tell(m)))
}

optimisation <- function(count) {
  gc(FALSE)
  seconds <- 0
  cpu <- 0
  for (i in seq_len(count)) {
    run <- suppressWarnings(built())
    start <- now()
    began <- spent()
    suppressWarnings(run())
    cpu <- cpu + (spent() - began)
    seconds <- seconds + (now() - start)
  }
  reply(seconds = seconds / count, cpu = cpu / count)
}

reply(
  version = as.character(packageVersion(program)), memory = memory(),
  platform = sprintf("R %s with %s", getRversion(), basename(extSoftVersion()[["BLAS"]]))
)
input <- file("stdin", "r")
while (length(line <- readLines(input, 1L))) {
  words <- strsplit(line, " ")[[1]]
  count <- as.integer(words[2])
  tryCatch(
    switch(words[1],
      total = total(count),
      fit = optimisation(count),
      memory = reply(memory = memory()),
      reply(error = paste("a worker does not know", words[1]))
    ),
    error = function(e) reply(error = conditionMessage(e))
  )
}
