"""IBSI-1's reference values of its CT phantom, configuration C, with their tolerances, by pyradiomics' names.

Those of the reference manual of the Image Biomarker Standardisation Initiative as mirp's and pictologics' tests quote
them; in 3-D, and where there are directions, averaged over them.
"""

from __future__ import annotations

SHAPE = {
    "MeshVolume": (3.67e5, 6e3),
    "VoxelVolume": (3.68e5, 6e3),
    "SurfaceArea": (3.43e4, 400),
    "SurfaceVolumeRatio": (0.0934, 0.0007),
    "Sphericity": (0.723, 0.003),
    "Maximum3DDiameter": (125, 1),
    "MajorAxisLength": (93.3, 0.5),
    "MinorAxisLength": (82, 0.5),
    "LeastAxisLength": (70.9, 0.4),
    "Elongation": (0.879, 0.001),
    "Flatness": (0.76, 0.001),
}
FIRST_ORDER = {
    "Mean": (-49, 2.9),
    "Variance": (5.06e4, 1.4e3),
    "Skewness": (-2.14, 0.05),
    "Kurtosis": (3.53, 0.23),
    "Median": (40, 0.4),
    "Minimum": (-939, 4),
    "10Percentile": (-424, 14),
    "90Percentile": (86, 0.1),
    "Maximum": (393, 10),
    "InterquartileRange": (67, 4.9),
    "Range": (1330, 20),
    "MeanAbsoluteDeviation": (158, 4),
    "RobustMeanAbsoluteDeviation": (66.8, 3.5),
    "Energy": (2.44e9, 1.2e8),
    "RootMeanSquared": (230, 4),
    "Entropy": (3.73, 0.04),
    "Uniformity": (0.14, 0.003),
}
GLCM = {
    "MaximumProbability": (0.111, 0.002),
    "JointAverage": (39, 0.2),
    "SumSquares": (73.7, 2),
    "JointEntropy": (6.39, 0.06),
    "DifferenceAverage": (2.17, 0.05),
    "DifferenceVariance": (14.4, 0.5),
    "DifferenceEntropy": (2.64, 0.03),
    "SumEntropy": (4.56, 0.04),
    "JointEnergy": (0.045, 0.001),
    "Contrast": (19.2, 0.7),
    "Id": (0.582, 0.004),
    "Idn": (0.966, 0.001),
    "Idm": (0.547, 0.004),
    "Idmn": (0.994, 0.001),
    "InverseVariance": (0.39, 0.003),
    "Correlation": (0.869, 0.001),
    "Autocorrelation": (1580, 10),
    "ClusterTendency": (276, 8),
    "ClusterShade": (-1.06e4, 300),
    "ClusterProminence": (5.69e5, 1.1e4),
    "Imc1": (-0.236, 0.001),
    "Imc2": (0.9, 0.001),
}
GLRLM = {
    "ShortRunEmphasis": (0.786, 0.003),
    "LongRunEmphasis": (3.31, 0.04),
    "LowGrayLevelRunEmphasis": (0.00155, 5e-5),
    "HighGrayLevelRunEmphasis": (1470, 10),
    "ShortRunLowGrayLevelEmphasis": (0.00136, 5e-5),
    "ShortRunHighGrayLevelEmphasis": (1100, 10),
    "LongRunLowGrayLevelEmphasis": (0.00317, 4e-5),
    "LongRunHighGrayLevelEmphasis": (5590, 80),
    "GrayLevelNonUniformity": (3180, 10),
    "GrayLevelNonUniformityNormalized": (0.102, 0.003),
    "RunLengthNonUniformity": (1.8e4, 500),
    "RunLengthNonUniformityNormalized": (0.574, 0.004),
    "RunPercentage": (0.679, 0.003),
    "GrayLevelVariance": (101, 3),
    "RunVariance": (1.12, 0.02),
    "RunEntropy": (5.35, 0.03),
}
GLSZM = {
    "SmallAreaEmphasis": (0.695, 0.001),
    "LargeAreaEmphasis": (3.89e4, 900),
    "LowGrayLevelZoneEmphasis": (0.00235, 6e-5),
    "HighGrayLevelZoneEmphasis": (971, 7),
    "SmallAreaLowGrayLevelEmphasis": (0.0016, 4e-5),
    "SmallAreaHighGrayLevelEmphasis": (657, 4),
    "LargeAreaLowGrayLevelEmphasis": (21.6, 0.5),
    "LargeAreaHighGrayLevelEmphasis": (7.07e7, 1.5e6),
    "GrayLevelNonUniformity": (195, 6),
    "GrayLevelNonUniformityNormalized": (0.0286, 0.0003),
    "SizeZoneNonUniformity": (3040, 100),
    "SizeZoneNonUniformityNormalized": (0.447, 0.001),
    "ZonePercentage": (0.148, 0.003),
    "GrayLevelVariance": (106, 1),
    "ZoneVariance": (3.89e4, 900),
    "ZoneEntropy": (7, 0.01),
}
NGLDM = {
    "SmallDependenceEmphasis": (0.137, 0.003),
    "LargeDependenceEmphasis": (126, 2),
    "LowGrayLevelEmphasis": (0.0013, 4e-5),
    "HighGrayLevelEmphasis": (1570, 10),
    "SmallDependenceLowGrayLevelEmphasis": (0.000306, 1.2e-5),
    "SmallDependenceHighGrayLevelEmphasis": (141, 2),
    "LargeDependenceLowGrayLevelEmphasis": (0.0828, 0.0003),
    "LargeDependenceHighGrayLevelEmphasis": (2.27e5, 3e3),
    "GrayLevelNonUniformity": (6420, 10),
    "DependenceNonUniformity": (2450, 60),
    "DependenceNonUniformityNormalized": (0.0532, 0.0005),
    "GrayLevelVariance": (81.1, 2.1),
    "DependenceVariance": (39.2, 0.1),
    "DependenceEntropy": (7.54, 0.03),
}
NGTDM = {
    "Coarseness": (0.000216, 4e-6),
    "Contrast": (0.0873, 0.0019),
    "Busyness": (1.39, 0.01),
    "Complexity": (1810, 60),
    "Strength": (0.651, 0.015),
}
REFERENCES = {
    f"original_{name}_{feature}": value
    for name, table in (
        *(("shape", SHAPE), ("firstorder", FIRST_ORDER), ("glcm", GLCM), ("glrlm", GLRLM), ("glszm", GLSZM)),
        *(("gldm", NGLDM), ("ngtdm", NGTDM)),
    )
    for feature, value in table.items()
}
