"""TRIPOD+AI, for studies that develop or evaluate a prediction model (2024): 27 items, 52 with their parts.

Numbers and headings are those of the published table; what an item asks for is said in our own words.
"""

from __future__ import annotations

from nnunet_amt.report.checklists import author_answers as by_authors
from nnunet_amt.report.checklists import data_answers as data
from nnunet_amt.report.checklists import discussion_answers as discussion
from nnunet_amt.report.checklists import evaluation_answers as evaluation
from nnunet_amt.report.checklists import model_answers as model
from nnunet_amt.report.checklists import partition_answers as partition
from nnunet_amt.report.checklists import reference_answers as reference
from nnunet_amt.report.checklists import result_answers as result
from nnunet_amt.report.checklists import training_answers as training
from nnunet_amt.report.checklists.item import ChecklistItem as Item

TRIPOD_AI_TITLE = "TRIPOD+AI"
TRIPOD_AI_CITATION = (
    "Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for reporting clinical prediction "
    "models that use regression or machine learning methods. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378"
)
TRIPOD_AI_NOTE = (
    "Made for models that predict a risk. Here the predictor is the CT, and the outcome is which of its voxels are "
    "tumour. What an item asks for is in our words; the published checklist has its own."
)

_TITLE, _ABSTRACT = "Title", "Abstract"
_BACKGROUND, _OBJECTIVES = "Introduction: background", "Introduction: objectives"
_DATA, _PARTICIPANTS, _PREPARATION = "Methods: data", "Methods: participants", "Methods: data preparation"
_OUTCOME, _PREDICTORS = "Methods: outcome", "Methods: predictors"
_SIZE, _MISSING, _METHODS = "Methods: sample size", "Methods: missing data", "Methods: analytical methods"
_IMBALANCE, _FAIRNESS, _OUTPUT = "Methods: class imbalance", "Methods: fairness", "Methods: model output"
_DIFFERENCES, _ETHICS = "Methods: training versus evaluation", "Methods: ethical approval"
_OPEN, _INVOLVEMENT = "Open science", "Patient and public involvement"
_RESULTS_PARTICIPANTS, _DEVELOPMENT = "Results: participants", "Results: model development"
_SPECIFICATION, _PERFORMANCE = "Results: model specification", "Results: model performance"
_UPDATING = "Results: model updating"
_INTERPRETATION, _LIMITATIONS = "Discussion: interpretation", "Discussion: limitations"
_USABILITY = "Discussion: usability in the context of current care"

TRIPOD_AI: tuple[Item, ...] = (
    Item(
        "1",
        _TITLE,
        "Does the title say what is developed or evaluated, for whom and to predict what?",
        by_authors.prediction_title,
    ),
    Item("2", _ABSTRACT, "An abstract by the checklist's own list for abstracts.", by_authors.abstract),
    Item(
        "3a", _BACKGROUND, "The clinical setting, the reason for the model, and earlier models.", by_authors.background
    ),
    Item("3b", _BACKGROUND, "For which patients, at which point of care, and for which users.", by_authors.population),
    Item("3c", _BACKGROUND, "Known inequalities in health between groups of people.", by_authors.inequalities),
    Item("4", _OBJECTIVES, "The objectives: development, evaluation or both.", by_authors.objectives),
    Item(
        "5a",
        _DATA,
        "Where the data for development and for evaluation come from, why these, and whom they represent.",
        data.sources,
    ),
    Item("5b", _DATA, "From when to when.", data.dates),
    Item("6a", _PARTICIPANTS, "In what kind of setting, in how many centres and where.", data.setting),
    Item("6b", _PARTICIPANTS, "Who could take part.", data.eligibility),
    Item("6c", _PARTICIPANTS, "Treatments, and how they were taken into account.", data.treatments),
    Item(
        "7", _PREPARATION, "How data were prepared and checked, and whether alike for all groups.", model.preprocessing
    ),
    Item("8a", _OUTCOME, "What is predicted, when and how it was determined, and why.", reference.outcome),
    Item("8b", _OUTCOME, "Who judged the outcome, where that takes judgement.", reference.assessors),
    Item("8c", _OUTCOME, "What those who judged did not know.", reference.blinding),
    Item("9a", _PREDICTORS, "What the model is given, and how that was chosen.", model.inputs),
    Item("9b", _PREDICTORS, "How each input is defined and measured.", model.input_measurement),
    Item("9c", _PREDICTORS, "Who judged the inputs, where that takes judgement.", model.predictor_assessors),
    Item("10", _SIZE, "Why so many cases, and whether they are enough.", partition.sample_size),
    Item("11", _MISSING, "What became of missing data.", data.missing_data),
    Item("12a", _METHODS, "Which data served for what.", partition.assignment),
    Item("12b", _METHODS, "How inputs were transformed.", model.predictor_handling),
    Item(
        "12c",
        _METHODS,
        "Which kind of model and why, every step of making it, and its internal validation.",
        training.model_building,
    ),
    Item("12d", _METHODS, "How differences between clusters such as hospitals were handled.", evaluation.clusters),
    Item("12e", _METHODS, "Which measures and plots show performance, and why.", evaluation.metrics),
    Item("12f", _METHODS, "Whether the model was changed after its evaluation.", evaluation.no_update),
    Item("12g", _METHODS, "How predictions were computed for the evaluation.", model.predictions_made),
    Item(
        "13", _IMBALANCE, "What was done about rare classes, and what it did to the predictions.", model.class_imbalance
    ),
    Item("14", _FAIRNESS, "What was done for fairness, and why.", evaluation.fairness),
    Item("15", _OUTPUT, "What the model gives out, and how thresholds were set.", model.output),
    Item("16", _DIFFERENCES, "How the data of development and evaluation differ.", partition.set_differences),
    Item("17", _ETHICS, "Which ethics board decided what, and consent.", by_authors.ethics),
    Item("18a", _OPEN, "Who paid, and what part the payers had.", by_authors.funding),
    Item("18b", _OPEN, "The authors' interests.", by_authors.conflicts),
    Item("18c", _OPEN, "Where the protocol can be read, or that there is none.", by_authors.study_protocol),
    Item("18d", _OPEN, "Registration of the study, or that there is none.", by_authors.registration),
    Item("18e", _OPEN, "Whether the data can be had.", by_authors.data_sharing),
    Item("18f", _OPEN, "Whether the code of the analysis can be had.", by_authors.code_sharing),
    Item(
        "19",
        _INVOLVEMENT,
        "What part patients and the public had, or that they had none.",
        by_authors.patient_involvement,
    ),
    Item(
        "20a",
        _RESULTS_PARTICIPANTS,
        "The way of participants through the study, with and without the outcome.",
        partition.flow,
    ),
    Item("20b", _RESULTS_PARTICIPANTS, "Who they are, by source, and what is missing.", partition.characteristics),
    Item(
        "20c",
        _RESULTS_PARTICIPANTS,
        "The cases of the evaluation beside those of the development.",
        partition.set_comparison,
    ),
    Item("21", _DEVELOPMENT, "How many cases and outcomes are in each analysis.", partition.analysed_numbers),
    Item(
        "22",
        _SPECIFICATION,
        "The whole model, so that others can predict with it, and on which terms.",
        model.full_model,
    ),
    Item("23a", _PERFORMANCE, "Performance with intervals, also for subgroups.", result.performance),
    Item("23b", _PERFORMANCE, "How performance differs between clusters.", result.heterogeneity),
    Item("24", _UPDATING, "The results of an updated model.", evaluation.no_update),
    Item(
        "25",
        _INTERPRETATION,
        "What the results mean, with fairness and earlier studies in mind.",
        discussion.interpretation,
    ),
    Item(
        "26",
        _LIMITATIONS,
        "Limits, and what they do to bias, uncertainty and generalisability.",
        discussion.limitations,
    ),
    Item("27a", _USABILITY, "What to do with poor or missing input when the model is used.", discussion.input_quality),
    Item("27b", _USABILITY, "What users must do, and what they must know.", discussion.user_interaction),
    Item("27c", _USABILITY, "What should be studied next.", discussion.next_steps),
)
